import {createServer, type IncomingMessage, type Server, type ServerResponse} from 'node:http'

import {OverlayError} from '../errors/index.js'
import {formatEndpoint, type Endpoint} from '../wire/endpoint.js'
import {CONTENT_TYPE} from './exposition.js'

/** A request must be there so soon after its connection, ms. */
const REQUEST_MS = 5000
/** Several Prometheus servers, and whoever looks at it by hand. */
const MAX_CONNECTIONS = 32
/** Of a request's head, bytes. */
const MAX_HEAD = 8192

/** Serves `GET /metrics` over HTTP and nothing else. Scrapes that come while one is made share it. */
export class MetricsServer {
  readonly #server: Server
  #scrape: Promise<string> | null = null

  private constructor(private readonly text: () => Promise<string>) {
    this.#server = createServer(
      {headersTimeout: REQUEST_MS, requestTimeout: REQUEST_MS, maxHeaderSize: MAX_HEAD, keepAliveTimeout: REQUEST_MS},
      (request, response) => {
        this.#answer(request, response).catch(() => response.destroy())
      },
    )
    this.#server.maxConnections = MAX_CONNECTIONS
  }

  /**
   * @param text makes the answer
   * @throws OverlayError ADDRESS_IN_USE, PRIVILEGE_MISSING
   */
  static async listen(endpoint: Endpoint, text: () => Promise<string>): Promise<MetricsServer> {
    const metrics = new MetricsServer(text)
    await new Promise<void>((resolve, reject) => {
      metrics.#server.once('error', (error: NodeJS.ErrnoException) => reject(listenError(endpoint, error)))
      metrics.#server.listen({host: endpoint.address, port: endpoint.port}, resolve)
    })
    metrics.#server.removeAllListeners('error')
    metrics.#server.on('error', () => {}) // a connection that could not be accepted: its client tries again
    return metrics
  }

  close(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.url?.split('?')[0] !== '/metrics') {
      response.writeHead(404, {'content-type': 'text/plain'}).end('metrics are at /metrics\n')
      return
    }

    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.writeHead(405, {allow: 'GET, HEAD', 'content-type': 'text/plain'}).end('GET /metrics\n')
      return
    }

    this.#scrape ??= this.text().finally(() => {
      this.#scrape = null
    })
    let text: string
    try {
      text = await this.#scrape
    } catch {
      response.writeHead(500, {'content-type': 'text/plain'}).end('no metrics could be made\n')
      return
    }

    response.writeHead(200, {'content-type': CONTENT_TYPE}).end(request.method === 'HEAD' ? undefined : text)
  }
}

function listenError(endpoint: Endpoint, {code}: NodeJS.ErrnoException): OverlayError {
  const what = `metrics on ${formatEndpoint(endpoint)}`
  if (code === 'EACCES' || code === 'EPERM') {
    return new OverlayError('PRIVILEGE_MISSING', `${what}: not permitted`, {
      cause: code,
      suggestions: ['a port from 1024 on', 'run as root'],
    })
  }

  return new OverlayError('ADDRESS_IN_USE', `${what}: taken, or not an address of this host`, {
    cause: code,
    suggestions: ['another metrics.listen for each instance on this host'],
  })
}
