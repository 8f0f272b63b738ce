"""An SFTP server by asyncssh whose passwords have all expired: PORT HOST_KEY AUTHORIZED_KEYS FOLDER."""

import asyncio
import sys

import asyncssh

port, host_key = sys.argv[1:3]


class Server(asyncssh.SSHServer):
    def begin_auth(self, username):
        return True

    def password_auth_supported(self):
        return True

    def validate_password(self, username, password):
        raise asyncssh.PasswordChangeRequired("Your password has expired.")


async def main():
    await asyncssh.listen("127.0.0.1", int(port), server_factory=Server, server_host_keys=[host_key])
    await asyncio.Event().wait()


asyncio.run(main())
