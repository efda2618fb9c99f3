import {allocate, sys} from '../kernel/libc.js'
import {SOCKADDR_LENGTH, readSockaddr, socketAddress} from '../kernel/sockaddr.js'
import {
  CHALLENGE_LENGTH,
  NONCE_LENGTH,
  audienceIs,
  preambleMacIsGood,
  type Preamble,
  type PreambleKey,
} from '../wire/preamble.js'
import {Refusal} from '../wire/reply.js'
import {keyOf, type GatewayConfig, type PreambleKeys} from './process-config.js'
import {monotonicNow, type ReplayFile} from './replay-file.js'
import {Claim} from './replay-window.js'

/** What {@link PreambleGate.admit} says beside the numbers of Refusal: the edge must answer a challenge first. */
export const CHALLENGED = -1

/** Is a complete preamble genuine, for this gateway, and new? */
export class PreambleGate {
  private readonly sockaddr = allocate(SOCKADDR_LENGTH)
  private readonly sockaddrLength = allocate(4)
  private readonly localAddress = Buffer.alloc(16)
  /** By listener: the address that edges must have dialled; null when it listens on any address. */
  private readonly audiences: (Buffer | null)[]
  private readonly ports: number[]
  private readonly monotonicOffset = monotonicNow() - performance.now()

  constructor(
    {listen}: Pick<GatewayConfig, 'listen'>,
    private readonly replay: ReplayFile,
    public keys: PreambleKeys,
  ) {
    this.ports = listen.map((endpoint) => endpoint.port)
    this.audiences = listen.map((endpoint) => {
      const {address} = socketAddress(endpoint)
      const any = endpoint.address === '0.0.0.0' || address.every((byte) => byte === 0)
      return any ? null : address
    })
  }

  /** The key that the preamble at the start of `bytes` was made with, or in a word why it is nobody's. */
  authenticate(bytes: Buffer, preamble: Preamble): PreambleKey | 'bad-mac' | 'unknown-key' {
    const key = keyOf(this.keys, preamble.keyId)
    if (key === null) return 'unknown-key'
    return preambleMacIsGood(bytes, 0, preamble, key) ? key : 'bad-mac'
  }

  /**
   * Claims the nonce of a genuine preamble.
   *
   * @param fd the socket it came by
   * @param listener index of the listener that took it
   * @param now the loop's ms
   * @returns Refusal.None, another refusal, or {@link CHALLENGED}
   */
  admit(bytes: Buffer, preamble: Preamble, fd: number, listener: number, now: number): number {
    if (!audienceIs(bytes, 0, preamble, this.dialledAddress(fd, listener), this.ports[listener])) {
      return Refusal.WrongAudience
    }

    switch (this.claim(bytes, preamble, now + this.monotonicOffset)) {
      case Claim.Fresh: {
        return Refusal.None
      }

      case Claim.Unknown: {
        return CHALLENGED
      }

      case Claim.Full: {
        return Refusal.TooManyInstances
      }

      default: {
        return Refusal.Duplicate
      }
    }
  }

  /** Of a connection that was admitted nothing was passed on, and nothing will be. */
  release(instanceHigh: number, instanceLow: number, counter: number): void {
    this.replay.window.release(instanceHigh, instanceLow, counter)
  }

  /** The challenge for the edge instance of a preamble; 16 bytes. */
  challenge(bytes: Buffer, {nonceAt}: Preamble, now: number): Buffer {
    return this.replay.challenge(bytes.subarray(nonceAt, nonceAt + NONCE_LENGTH / 2), now + this.monotonicOffset)
  }

  private dialledAddress(fd: number, listener: number): Buffer {
    const audience = this.audiences[listener]
    if (audience !== null) return audience
    this.sockaddrLength.bytes.writeUInt32LE(SOCKADDR_LENGTH, 0)
    sys.getsockname(fd, this.sockaddr.address, this.sockaddrLength.address)
    readSockaddr(this.sockaddr.bytes, this.localAddress, 0)
    return this.localAddress
  }

  private claim(bytes: Buffer, preamble: Preamble, now: number): number {
    const {nonceAt, challengeAt, instanceHigh, instanceLow, counter} = preamble
    const challengeGood =
      challengeAt > 0 &&
      this.replay.challengeIsGood(
        bytes.subarray(challengeAt, challengeAt + CHALLENGE_LENGTH),
        bytes.subarray(nonceAt, nonceAt + NONCE_LENGTH / 2),
        now,
      )
    return this.replay.window.claim(instanceHigh, instanceLow, counter, challengeGood, now)
  }
}
