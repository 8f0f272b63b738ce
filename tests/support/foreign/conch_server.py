"""An SFTP server by Twisted Conch: PORT HOST_KEY AUTHORIZED_KEYS FOLDER."""

import os
import sys

from twisted.conch.avatar import ConchUser
from twisted.conch.checkers import InMemorySSHKeyDB, SSHPublicKeyChecker
from twisted.conch.interfaces import ISFTPServer
from twisted.conch.ssh import filetransfer, keys, session
from twisted.conch.ssh.factory import SSHFactory
from twisted.conch.unix import SFTPServerForUnixConchUser
from twisted.cred.portal import IRealm, Portal
from twisted.internet import reactor
from twisted.python import components
from zope.interface import implementer

port, host_key, authorized_keys, folder = sys.argv[1:]


class User(ConchUser):
    """Everybody is the user of this process, in the same folder."""

    def __init__(self):
        super().__init__()
        self.channelLookup[b"session"] = session.SSHSession
        self.subsystemLookup[b"sftp"] = filetransfer.FileTransferServer

    def getHomeDir(self):
        return folder.encode()

    def _runAsUser(self, calls, *arguments, **named):
        calls = calls if isinstance(calls, list) else [(calls, arguments, named)]
        result = None
        for call in calls:
            function, *rest = call
            arguments = rest[0] if rest else ()
            named = rest[1] if len(rest) > 1 else {}
            result = function(*arguments, **named)
        return result


class Files(SFTPServerForUnixConchUser):
    def _absPath(self, path):
        return os.path.join(folder.encode(), path.lstrip(b"/"))


components.registerAdapter(Files, User, ISFTPServer)


@implementer(IRealm)
class Realm:
    def requestAvatar(self, avatar_id, mind, *interfaces):
        return interfaces[0], User(), lambda: None


class AnyUser(InMemorySSHKeyDB):
    """The same keys for every user name."""

    def getAuthorizedKeys(self, username):
        with open(authorized_keys, "rb") as lines:
            return [keys.Key.fromString(line) for line in lines if line.strip()]


class Factory(SSHFactory):
    def getPublicKeys(self):
        return {kind: key.public() for kind, key in self.getPrivateKeys().items()}

    def getPrivateKeys(self):
        return {b"ssh-ed25519": keys.Key.fromFile(host_key)}

    def getPrimes(self):
        return None


factory = Factory()
factory.portal = Portal(Realm(), [SSHPublicKeyChecker(AnyUser({}))])
reactor.listenTCP(int(port), factory, interface="127.0.0.1")
reactor.run()
