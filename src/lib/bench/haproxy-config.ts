import {formatEndpoint, type Endpoint} from '../wire/endpoint.js'

export interface HaproxyHop {
  listen: Endpoint
  target: Endpoint
  /** TCP Fast Open: accept it from clients, ask the target for it. */
  fastOpenListen?: boolean
  fastOpenTarget?: boolean
  /** Pass bytes on by splice(2), always: not only where HAProxy expects it to pay (`option splice-auto`). */
  splice?: boolean
  /** As many as there are processors when not given. */
  threads?: number
  /** 4096 when not given. */
  maxConnections?: number
}

/** HAProxy puts data into a SYN only when it has some at the time of connecting, so it must wait for the client's first. */
const WAIT_FOR_DATA = `  tcp-request inspect-delay 10s
  tcp-request content accept if { req.len gt 0 }
`

/** Configuration of one HAProxy that passes TCP on: run it with `haproxy -db -f FILE`. */
export function haproxyConfig(hop: HaproxyHop): string {
  return `global
  maxconn ${hop.maxConnections ?? 4096}
${hop.threads === undefined ? '' : `  nbthread ${hop.threads}\n`}
defaults
  mode tcp
  timeout connect 10s
  timeout client 60s
  timeout server 60s
${hop.splice ? '  option splice-request\n  option splice-response\n' : ''}
listen hop
  bind ${formatEndpoint(hop.listen)}${hop.fastOpenListen ? ' tfo' : ''}
${hop.fastOpenTarget ? WAIT_FOR_DATA : ''}  server next ${formatEndpoint(hop.target)}${hop.fastOpenTarget ? ' tfo' : ''}
`
}
