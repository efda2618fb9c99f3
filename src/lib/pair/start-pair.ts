import {PairDatapath} from '../gate/pair-datapath.js'
import type {EpollLoop} from '../relay/epoll-loop.js'
import type {RateLimitedLog} from '../relay/rate-limited-log.js'
import type {PairRelay} from '../relay/replicator.js'
import type {LinkKeys} from '../replication/link-setup.js'
import type {Coordinator} from '../replication/ownership.js'
import {EpochFile} from './epoch-file.js'
import type {PairConfig} from './pair-config.js'
import {PairNode} from './pair-node.js'
import {VirtualAddresses} from './virtual-addresses.js'

/**
 * Makes a relay process a member of its pair. The control process has put the datapath on the interfaces.
 *
 * @throws OverlayError PRIVILEGE_MISSING, NOT_FOUND, KERNEL_FEATURE_MISSING
 */
export function startPair(
  loop: EpollLoop,
  log: RateLimitedLog,
  config: PairConfig,
  keys: LinkKeys,
  relay: PairRelay,
  coordinator: Coordinator,
): PairNode {
  return new PairNode({
    loop,
    log,
    config,
    keys,
    relay,
    coordinator,
    datapath: PairDatapath.open(config.pins),
    addresses: new VirtualAddresses(config.virtualAddresses),
    epochs: new EpochFile(config.epochPath),
  })
}
