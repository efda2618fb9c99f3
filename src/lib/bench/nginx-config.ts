import {formatEndpoint, type Endpoint} from '../wire/endpoint.js'

export interface NginxOptions {
  /** Worker processes; 1 when not given, and then without a master. */
  processes?: number
  /** Of each worker, both legs counted; 4096 when not given. */
  maxSockets?: number
  /** Passes on that one side has sent its last byte, and keeps the other direction open (nginx 1.21.4). */
  halfClose?: boolean
}

/**
 * Configuration of one nginx that passes TCP on by its stream module: run it with `nginx -e stderr -c FILE`.
 *
 * @param directory where it may write its pid file
 */
export function nginxStreamConfig(
  listen: Endpoint,
  target: Endpoint,
  directory: string,
  {processes = 1, maxSockets = 4096, halfClose = false}: NginxOptions = {},
): string {
  return `load_module modules/ngx_stream_module.so;
daemon off;
${processes === 1 ? 'master_process off;' : `worker_processes ${processes};`}
worker_rlimit_nofile ${maxSockets + 256};
pid ${directory}/nginx-stream.pid;
error_log stderr warn;

events {
  worker_connections ${maxSockets};
}

stream {
  server {
    listen ${formatEndpoint(listen)} backlog=4096${processes === 1 ? '' : ' reuseport'};
    proxy_pass ${formatEndpoint(target)};
    proxy_connect_timeout 10s;
    tcp_nodelay on;${halfClose ? '\n    proxy_half_close on;' : ''}
  }
}
`
}
