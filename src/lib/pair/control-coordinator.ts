import type {Question} from '../coordination/owner-record.js'
import type {ClaimReason, Coordinator, Evidence} from '../replication/ownership.js'

/** Asks the control process, which asks etcd. It answers when etcd can be reached; only the newest question counts. */
export class ControlCoordinator implements Coordinator {
  #id = 0
  #answer: ((epoch: number | null) => void) | null = null

  /** @param send null: nothing is asked any more */
  constructor(private readonly send: (id: number, question: Question | null) => void) {}

  grant(epoch: number, _evidence: Evidence, answer: (granted: boolean) => void): void {
    this.#ask({kind: 'grant', epoch}, (granted) => answer(granted !== null))
  }

  alone(epoch: number, evidence: Evidence, answer: (epoch: number | null) => void): void {
    this.#ask({kind: 'alone', epoch, evidence}, answer)
  }

  cancel(): void {
    this.#answer = null
    this.send(++this.#id, null)
  }

  claim(epoch: number, reason: ClaimReason, answer: (epoch: number | null) => void): void {
    this.#ask({kind: 'claim', epoch, reason}, answer)
  }

  /** @param epoch that was granted; null for no */
  answered(id: number, epoch: number | null): void {
    if (id !== this.#id) return
    const answer = this.#answer
    this.#answer = null
    answer?.(epoch)
  }

  #ask(question: Question, answer: (epoch: number | null) => void): void {
    this.#answer = answer
    this.send(++this.#id, question)
  }
}
