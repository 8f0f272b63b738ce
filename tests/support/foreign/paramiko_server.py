"""An SFTP server by paramiko: PORT HOST_KEY AUTHORIZED_KEYS FOLDER."""

import base64
import os
import socket
import sys
import threading

import paramiko

port, host_key, authorized_keys, folder = sys.argv[1:]
with open(authorized_keys) as lines:
    AUTHORIZED = {base64.b64decode(line.split()[1]) for line in lines if line.strip()}


class Doorkeeper(paramiko.ServerInterface):
    def get_allowed_auths(self, username):
        return "publickey"

    def check_auth_publickey(self, username, key):
        if key.asbytes() in AUTHORIZED:
            return paramiko.AUTH_SUCCESSFUL
        return paramiko.AUTH_FAILED

    def check_channel_request(self, kind, channel_id):
        return paramiko.OPEN_SUCCEEDED


class Handle(paramiko.SFTPHandle):
    def stat(self):
        return paramiko.SFTPAttributes.from_stat(os.fstat(self.writefile.fileno()))


def status(call, *arguments):
    """The SFTP status of a call of the system."""
    try:
        call(*arguments)
    except OSError as error:
        return paramiko.SFTPServer.convert_errno(error.errno)
    return paramiko.SFTP_OK


class Files(paramiko.SFTPServerInterface):
    def local(self, path):
        return folder + self.canonicalize(path)

    def stat(self, path):
        try:
            return paramiko.SFTPAttributes.from_stat(os.stat(self.local(path)))
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno)

    lstat = stat

    def list_folder(self, path):
        return [self.stat(os.path.join(path, name)) for name in os.listdir(self.local(path))]

    def open(self, path, flags, attributes):
        try:
            descriptor = os.open(self.local(path), flags, 0o644)
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno)
        handle = Handle(flags)
        mode = "ab" if flags & os.O_APPEND else "wb" if flags & os.O_WRONLY else "rb"
        handle.readfile = handle.writefile = os.fdopen(descriptor, mode)
        return handle

    def remove(self, path):
        return status(os.remove, self.local(path))

    def rename(self, old, new):
        return status(os.rename, self.local(old), self.local(new))

    def chattr(self, path, attributes):
        return status(paramiko.SFTPServer.set_file_attr, self.local(path), attributes)


def serve(connection):
    transport = paramiko.Transport(connection)
    transport.add_server_key(paramiko.Ed25519Key.from_private_key_file(host_key))
    transport.set_subsystem_handler("sftp", paramiko.SFTPServer, Files)
    try:
        transport.start_server(server=Doorkeeper())
    except (paramiko.SSHException, EOFError):
        return
    transport.join()


listener = socket.create_server(("127.0.0.1", int(port)), backlog=20)
while True:
    connection, _ = listener.accept()
    threading.Thread(target=serve, args=(connection,), daemon=True).start()
