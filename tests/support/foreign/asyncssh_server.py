"""An SFTP server by asyncssh: PORT HOST_KEY AUTHORIZED_KEYS FOLDER."""

import asyncio
import sys

import asyncssh

port, host_key, authorized_keys, folder = sys.argv[1:]


def sftp(channel):
    return asyncssh.SFTPServer(channel, chroot=folder.encode())


async def main():
    await asyncssh.listen(
        "127.0.0.1",
        int(port),
        server_host_keys=[host_key],
        authorized_client_keys=authorized_keys,
        sftp_factory=sftp,
    )
    await asyncio.Event().wait()


asyncio.run(main())
