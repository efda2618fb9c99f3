import {AddressAnnouncer} from '../kernel/gratuitous-arp.js'
import {InterfaceAddresses} from '../kernel/interface-address.js'
import type {PlacedAddress} from './pair-config.js'

/** Puts the pair's addresses on this server's interfaces and takes them off. Everything is opened beforehand. */
export class VirtualAddresses {
  readonly #interfaces = new Map<string, InterfaceAddresses>()
  readonly #announcers: readonly AddressAnnouncer[]

  /** @throws OverlayError NOT_FOUND, KERNEL_FEATURE_MISSING, PRIVILEGE_MISSING */
  constructor(readonly addresses: readonly PlacedAddress[]) {
    for (const {device} of addresses) {
      if (!this.#interfaces.has(device)) this.#interfaces.set(device, new InterfaceAddresses(device))
    }

    this.#announcers = [...this.#interfaces.keys()].map((device) => {
      const here = addresses.filter((each) => each.device === device)
      return new AddressAnnouncer(
        device,
        here.map(({address}) => address),
      )
    })
  }

  /** @throws OverlayError SYSTEM_CALL_FAILED */
  add(): void {
    for (const {device, address, prefix} of this.addresses) this.#interfaces.get(device)!.add(address, prefix)
  }

  /** Taking off what is not there is no error. @throws OverlayError SYSTEM_CALL_FAILED */
  remove(): void {
    for (const {device, address, prefix} of this.addresses) this.#interfaces.get(device)!.remove(address, prefix)
  }

  /** Tells the neighbours that the addresses are here now. @throws OverlayError SYSTEM_CALL_FAILED, e.g. ENETDOWN */
  announce(): void {
    for (const announcer of this.#announcers) announcer.announce()
  }
}
