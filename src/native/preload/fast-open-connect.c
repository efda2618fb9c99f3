/* SPDX-License-Identifier: MIT */
/*
 * LD_PRELOAD library: every TCP connect() asks for TCP Fast Open (tcp(7), TCP_FASTOPEN_CONNECT), so that the first data
 * travels in the SYN once the kernel holds the peer's cookie.
 *
 * For `overlay bench handshake` only. HAProxy has the keyword `server … tfo` for this, but 2.6 looks for waiting data in
 * the wrong direction before it sets the option, and so never sets it in tcp mode.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

typedef int connect_function(int, const struct sockaddr *, socklen_t);

int connect(int fd, const struct sockaddr *address, socklen_t length)
{
	static connect_function *next;
	if (!next)
		next = (connect_function *)dlsym(RTLD_NEXT, "connect");
	int on = 1;
	setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on, sizeof(on)); /* fails on other sockets: no matter */
	return next(fd, address, length);
}
