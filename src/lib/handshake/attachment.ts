import {execFileSync} from 'node:child_process'
import {closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmdirSync, rmSync} from 'node:fs'
import {join} from 'node:path'

import {OverlayError} from '../errors/index.js'
import {type BpfMap, openPinnedMap} from '../kernel/bpf-map.js'
import {BpfObject} from '../kernel/bpf-object.js'
import {attachTc, createClsact, destroyClsact, detachTc, queryTc, type TcDirection} from '../kernel/tc-filter.js'
import {
  attachedNames,
  type AttachmentState,
  type Owner,
  readState,
  removeState,
  writeState,
} from './attachment-state.js'
import {bpfObjectPath} from './bpf-objects.js'
import {leaveOverlayBbr, useOverlayBbr} from './congestion.js'
import {MAP_LAYOUT, OVERLAY_BBR, type Role, TC_HANDLE, TC_PRIORITY} from './constants.js'
import {findBpffs, findCgroup2, unmount} from './mounts.js'
import {keepResolved, letGo} from './neighbours.js'
import type {Device} from './network-device.js'

/** The TC programs of a role, by direction; the sock_ops program of a role. */
const PROGRAMS: Record<Role, {tc: Partial<Record<TcDirection, string>>; sockops: string}> = {
  edge: {tc: {egress: 'edge_egress', ingress: 'edge_ingress'}, sockops: 'edge_sockops'},
  gateway: {tc: {ingress: 'gateway_ingress'}, sockops: 'gateway_sockops'},
}

export interface AttachRequest {
  role: Role
  name: string
  owner: Owner
  devices: Device[]
  /**
   * Fills the maps before the first program sees a packet. `shared`: others are served by what is there, so only add.
   */
  fill(mapNamed: (name: string) => BpfMap, congestion: {from: string; to: string} | null, shared: boolean): void
}

/** What is attached, and what could not be and why it is done without. */
export interface Attachment {
  state: AttachmentState
  /** Sentences for the user, each said once. */
  limitations: string[]
}

/**
 * Puts the programs of a role onto interfaces, or new ones in the place of those that an earlier process of the same name
 * attached: its maps, and with them every opening under way, are kept. No packet passes without a program meanwhile.
 *
 * @throws OverlayError PRIVILEGE_MISSING, KERNEL_FEATURE_MISSING, ALREADY_EXISTS
 */
export function attach(request: AttachRequest): Attachment {
  const {role, name} = request
  const limitations: string[] = []
  refuseTakenInterfaces(request)
  let state = readState(role, name)
  if (state && (state.layout !== MAP_LAYOUT || !existsSync(state.pins))) {
    detach(role, name)
    state = null
  }

  // What a process put there and what `attach` did serve each other's programs too: neither takes from the other.
  const shared = state !== null && state.owner !== request.owner
  state ??= freshState(request)
  if (request.owner === 'attach') state.owner = 'attach'
  writeState(state)
  try {
    mkdirSync(state.pins, {recursive: true, mode: 0o700})
    const congestion = startCongestion(state, limitations)
    const object = BpfObject.load(bpfObjectPath(`handshake-${role}`), {pinDirectory: state.pins})
    try {
      request.fill((name) => object.getMap(name), congestion, shared)
      attachSockops(state, object, limitations)
      attachFilters(state, object, request.devices, shared)
    } finally {
      object.close()
    }
  } catch (error) {
    detach(role, name)
    throw error
  }

  return {state, limitations}
}

function freshState({role, name, owner}: AttachRequest): AttachmentState {
  const bpffs = findBpffs()
  return {
    layout: MAP_LAYOUT,
    role,
    name,
    owner,
    bpffs,
    pins: join(bpffs.path, 'overlay', `${role}-${name}`),
    cgroup: null,
    interfaces: [],
    neighbours: [],
    congestionUser: null,
  }
}

function refuseTakenInterfaces({role, name, devices}: AttachRequest): void {
  for (const other of attachedNames(role)) {
    if (other === name) continue
    const taken = readState(role, other)?.interfaces.find(
      (held) =>
        devices.some((device) => device.ifindex === held.ifindex) &&
        Object.keys(PROGRAMS[role].tc).some((direction) => queryTc(place(role, held.ifindex, direction)) !== null),
    )
    if (taken) {
      throw new OverlayError('ALREADY_EXISTS', `interface ${taken.name} belongs to the ${role} named "${other}"`, {
        suggestions: [`overlay ${role} detach --name ${other}`],
      })
    }
  }
}

/** overlay_bbr takes the place of bbr on middle legs; without it bbr stays, and is slow in its first seconds. */
function startCongestion(state: AttachmentState, limitations: string[]): {from: string; to: string} | null {
  const user = `${state.role}-${state.name}-${createUserSuffix(state.pins)}`
  try {
    useOverlayBbr(user, state.pins)
    state.congestionUser = user
    writeState(state)
    return {from: 'bbr', to: OVERLAY_BBR}
  } catch (error) {
    if (!(error instanceof OverlayError) || error.code === 'PRIVILEGE_MISSING') throw error
    limitations.push(`${OVERLAY_BBR} is not available (${error.message}): use cubic on middle legs instead of bbr`)
    return null
  }
}

/** Two labs may have an edge of the same name: their run directories, and so their pins, differ. */
function createUserSuffix(pins: string): string {
  return pins.replaceAll(/[^\w-]+/g, '_')
}

function attachSockops(state: AttachmentState, object: BpfObject, limitations: string[]): void {
  let directory = -1
  try {
    state.cgroup ??= findCgroup2()
    writeState(state)
    directory = openSync(state.cgroup.path, 'r')
    object.attachCgroup(PROGRAMS[state.role].sockops, directory, join(state.pins, 'sockops'))
  } catch (error) {
    if (state.cgroup?.mountedHere) unmount(state.cgroup.path)
    state.cgroup = null
    writeState(state)
    limitations.push(
      `no sock_ops program (${(error as Error).message}): initial window, congestion control and re-opening are the kernel's own`,
    )
  } finally {
    if (directory >= 0) closeSync(directory)
  }
}

function place(role: Role, ifindex: number, direction: string) {
  return {ifindex, direction: direction as TcDirection, handle: TC_HANDLE, priority: TC_PRIORITY[role]}
}

function attachFilters(state: AttachmentState, object: BpfObject, devices: Device[], shared: boolean): void {
  const {tc} = PROGRAMS[state.role]
  for (const {name, ifindex} of devices) {
    const known = state.interfaces.find((held) => held.ifindex === ifindex)
    const created = createClsact(ifindex)
    if (known) known.createdClsact ||= created
    else state.interfaces.push({name, ifindex, createdClsact: created})
    writeState(state)
    // Ingress first: an edge must know a real SYN/ACK before it sends the SYN that draws one.
    for (const direction of ['ingress', 'egress'] as const) {
      const program = tc[direction]
      if (program) attachTc(place(state.role, ifindex, direction), object.programFd(program))
    }
  }

  const gone = shared
    ? []
    : state.interfaces.filter((held) => !devices.some((device) => device.ifindex === held.ifindex))
  for (const held of gone) removeFilters(state.role, held)
  state.interfaces = state.interfaces.filter((held) => !gone.includes(held))
  writeState(state)
}

function removeFilters(role: Role, {name, ifindex, createdClsact}: AttachmentState['interfaces'][number]): void {
  // Egress first: no more SYNs with a number before the program that knows their answers goes.
  for (const direction of ['egress', 'ingress'] as const) {
    if (PROGRAMS[role].tc[direction]) detachTc(place(role, ifindex, direction))
  }

  if (createdClsact && !hasFilters(name)) destroyClsact(ifindex)
}

/** True also when it cannot be told: then the qdisc, which does nothing by itself, stays. */
function hasFilters(device: string): boolean {
  try {
    return ['ingress', 'egress'].some(
      (direction) =>
        execFileSync('tc', ['filter', 'show', 'dev', device, direction], {
          encoding: 'utf8',
          stdio: ['ignore', 'pipe', 'ignore'],
        }).trim() !== '',
    )
  } catch {
    return existsSync(`/sys/class/net/${device}`)
  }
}

/** Asks the kernel to keep these next hops resolved: an unresolved one would make the first connect() wait for ARP. */
export function keepNeighbours(state: AttachmentState, addresses: readonly string[]): void {
  for (const neighbour of keepResolved(addresses, state.neighbours)) state.neighbours.push(neighbour)
  writeState(state)
}

/**
 * Takes everything of an instance out of the kernel: filters, links, pinned maps, mounts made for them, and its claim to
 * overlay_bbr. Goes on over what is gone already.
 *
 * @returns false when nothing of that name was attached
 */
export function detach(role: Role, name: string): boolean {
  const state = readState(role, name)
  if (!state) return false
  for (const held of state.interfaces) removeFilters(role, held)
  letGo(state.neighbours)
  removePins(state.pins)
  if (state.congestionUser !== null) leaveOverlayBbr(state.congestionUser)
  if (state.bpffs.mountedHere) unmount(state.bpffs.path)
  if (state.cgroup?.mountedHere) unmount(state.cgroup.path)
  removeState(role, name)
  return true
}

function removePins(pins: string): void {
  if (!existsSync(pins)) return
  for (const file of readdirSync(pins)) rmSync(join(pins, file), {force: true})
  rmdirSync(pins)
  try {
    rmdirSync(join(pins, '..'))
  } catch {
    // Another instance has pins there.
  }
}

/** Possible CPUs, which is how many values a per-CPU map has: /sys/devices/system/cpu/possible, e.g. `0-3`. */
export function possibleCpus(): number {
  const text = readFileSync('/sys/devices/system/cpu/possible', 'latin1').trim()
  return Number(text.split(/[,-]/).at(-1)) + 1
}

/**
 * A pinned map of an attached instance.
 *
 * @throws OverlayError NOT_RUNNING when it is not there
 */
export function pinnedMap(state: AttachmentState, name: string, cpus = 0): BpfMap {
  const map = openPinnedMap(join(state.pins, name), cpus)
  if (!map) {
    throw new OverlayError('NOT_RUNNING', `the ${state.role} named "${state.name}" has lost its pinned map ${name}`, {
      suggestions: [`overlay ${state.role} detach --name ${state.name}, then attach again`],
    })
  }

  return map
}
