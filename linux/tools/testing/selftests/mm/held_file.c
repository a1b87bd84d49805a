// SPDX-License-Identifier: GPL-2.0
/*
 * The server of a file whose reads wait: just enough of FUSE for one file, which
 * is the root of its file system.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "held_file.h"

#define REQUEST_SIZE	65536
#define ANSWER_SIZE	65536
#define READ_ARRIVED	'r'
#define MOUNTED		'm'

static int answer(int fuse, __u64 unique, int error, const void *data, size_t len)
{
	struct fuse_out_header header = {
		.len = sizeof(header) + len,
		.error = error,
		.unique = unique,
	};
	const struct iovec iov[] = {
		{ .iov_base = &header, .iov_len = sizeof(header) },
		{ .iov_base = (void *)data, .iov_len = len },
	};

	return writev(fuse, iov, len ? 2 : 1) < 0 ? -errno : 0;
}

static int answer_init(int fuse, __u64 unique)
{
	const struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.max_write = 4096,
	};

	return answer(fuse, unique, 0, &out, sizeof(out));
}

static int answer_getattr(int fuse, __u64 unique)
{
	const struct fuse_attr_out out = {
		.attr = {
			.ino = FUSE_ROOT_ID,
			.size = ANSWER_SIZE,
			.mode = S_IFREG | 0600,
			.nlink = 1,
		},
	};

	return answer(fuse, unique, 0, &out, sizeof(out));
}

static int answer_open(int fuse, __u64 unique)
{
	const struct fuse_open_out out = { .open_flags = FOPEN_DIRECT_IO };

	return answer(fuse, unique, 0, &out, sizeof(out));
}

static int answer_read(int fuse, __u64 unique, const struct fuse_read_in *in,
		       struct held_file *file)
{
	static char data[ANSWER_SIZE];
	char byte = READ_ARRIVED;

	if (in->size > ANSWER_SIZE)
		return answer(fuse, unique, -EINVAL, NULL, 0);
	if (write(file->to_server, &byte, 1) != 1 ||
	    read(file->from_server, &byte, 1) != 1)
		return -EPIPE;
	memset(data, HELD_BYTE, in->size);
	return answer(fuse, unique, 0, data, in->size);
}

/* Answers one request after the other until the file system is gone. */
static int serve(int fuse, struct held_file *file)
{
	static union {
		struct fuse_in_header header;
		char room[REQUEST_SIZE];
	} request;
	const struct fuse_in_header *header = &request.header;
	int err = 0;

	while (!err && read(fuse, &request, sizeof(request)) > 0) {
		switch (header->opcode) {
		case FUSE_INIT:
			err = answer_init(fuse, header->unique);
			break;
		case FUSE_GETATTR:
			err = answer_getattr(fuse, header->unique);
			break;
		case FUSE_OPEN:
			err = answer_open(fuse, header->unique);
			break;
		case FUSE_READ:
			err = answer_read(fuse, header->unique,
					  (const void *)(header + 1), file);
			break;
		case FUSE_FORGET:
		case FUSE_BATCH_FORGET:
		case FUSE_INTERRUPT:
			break;
		default:
			err = answer(fuse, header->unique, -ENOSYS, NULL, 0);
		}
	}
	return err;
}

/*
 * The server must be gone before its client, which could not die while it waits
 * for an answer.
 */
static void server_main(struct held_file *file, const char *path)
{
	char options[64], byte = MOUNTED;
	int fuse;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL))
		_exit(1);
	fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (fuse < 0)
		_exit(2);
	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=%o,user_id=0,group_id=0", fuse, S_IFREG);
	if (mount("held", path, "fuse", MS_NOSUID | MS_NODEV, options))
		_exit(3);
	if (write(file->to_server, &byte, 1) != 1)
		_exit(4);
	_exit(serve(fuse, file) ? 5 : 0);
}

static const char *start_server(struct held_file *file, const char *path)
{
	int up[2], down[2];
	char byte;

	if (pipe2(up, O_CLOEXEC))
		return "no pipe";
	if (pipe2(down, O_CLOEXEC)) {
		close(up[0]);
		close(up[1]);
		return "no pipe";
	}
	file->server = fork();
	if (!file->server) {
		close(up[0]);
		close(down[1]);
		/* Seen from the other side. */
		file->to_server = up[1];
		file->from_server = down[0];
		server_main(file, path);
	}
	close(up[1]);
	close(down[0]);
	file->from_server = up[0];
	file->to_server = down[1];
	if (file->server < 0)
		return "no process for the server";
	if (read(file->from_server, &byte, 1) != 1)
		return "no FUSE, or may not mount";
	return NULL;
}

const char *held_file_open(struct held_file *file)
{
	char path[] = "/tmp/held-file-XXXXXX";
	const char *reason;
	int fd;

	*file = (struct held_file) { -1, -1, -1, -1 };
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		return "no file to mount on";
	close(fd);
	reason = start_server(file, path);
	if (!reason) {
		file->fd = open(path, O_RDONLY | O_CLOEXEC);
		if (file->fd < 0)
			reason = "cannot open the file";
		/* The descriptor is all that it takes from here on. */
		umount2(path, MNT_DETACH);
	}
	unlink(path);
	if (reason)
		held_file_close(file);
	return reason;
}

int held_file_wait(struct held_file *file)
{
	char byte;
	ssize_t len = read(file->from_server, &byte, 1);

	if (len != 1)
		return len < 0 ? -errno : -EPIPE;
	return byte == READ_ARRIVED ? 0 : -EPROTO;
}

int held_file_let_go(struct held_file *file)
{
	return write(file->to_server, "g", 1) == 1 ? 0 : -errno;
}

void held_file_close(struct held_file *file)
{
	if (file->server > 0) {
		kill(file->server, SIGKILL);
		waitpid(file->server, NULL, 0);
	}
	if (file->from_server >= 0)
		close(file->from_server);
	if (file->to_server >= 0)
		close(file->to_server);
	if (file->fd >= 0)
		close(file->fd);
	*file = (struct held_file) { -1, -1, -1, -1 };
}
