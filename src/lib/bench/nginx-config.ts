import {formatEndpoint, type Endpoint} from '../wire/endpoint.js'

/**
 * Configuration of one nginx that passes TCP on by its stream module: run it with `nginx -e stderr -c FILE`.
 *
 * @param directory where it may write its pid file
 */
export function nginxStreamConfig(listen: Endpoint, target: Endpoint, directory: string): string {
  return `load_module modules/ngx_stream_module.so;
daemon off;
master_process off;
pid ${directory}/nginx-stream.pid;
error_log stderr warn;

events {
  worker_connections 4096;
}

stream {
  server {
    listen ${formatEndpoint(listen)} backlog=4096;
    proxy_pass ${formatEndpoint(target)};
    proxy_connect_timeout 10s;
    tcp_nodelay on;
  }
}
`
}
