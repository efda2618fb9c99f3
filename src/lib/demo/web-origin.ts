import {formatEndpoint, type Endpoint} from '../wire/endpoint.js'

/**
 * Configuration of an nginx that answers every request with one line: run it with `nginx -e stderr -c FILE`.
 *
 * @param directory where it may write
 */
export function webOriginConfig(listen: Endpoint, directory: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  return `daemon off;
master_process off;
pid ${directory}/nginx-origin.pid;
error_log stderr warn;

events {
  worker_connections 256;
}

http {
  access_log off;
${temporary.map((name) => `  ${name}_temp_path ${directory}/nginx-${name};`).join('\n')}
  server {
    listen ${formatEndpoint(listen)};
    location / {
      default_type text/plain;
      return 200 "hello from the origin\\n";
    }
  }
}
`
}
