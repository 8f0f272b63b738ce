// An SFTP server by npm's ssh2: PORT HOST_KEY AUTHORIZED_KEYS FOLDER. NODE_PATH has the package.

import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const require = createRequire(`${process.env.NODE_PATH}/`);
const { Server, utils } = require("ssh2");
const { OPEN_MODE, STATUS_CODE } = utils.sftp;

const [port, hostKey, authorizedKeys, folder] = process.argv.slice(2);
const authorized = fs
  .readFileSync(authorizedKeys, "utf8")
  .split("\n")
  .filter((line) => line.trim())
  .map((line) => utils.parseKey(line).getPublicSSH());

const local = (name) => path.join(folder, path.posix.normalize(`/${name}`));

const statusOf = (error) => {
  switch (error?.code) {
    case undefined:
      return STATUS_CODE.OK;
    case "ENOENT":
      return STATUS_CODE.NO_SUCH_FILE;
    case "EACCES":
      return STATUS_CODE.PERMISSION_DENIED;
    default:
      return STATUS_CODE.FAILURE;
  }
};

const flagsOf = (asked) => {
  const { READ, WRITE, APPEND, CREAT, TRUNC, EXCL } = OPEN_MODE;
  const { O_RDONLY, O_WRONLY, O_RDWR, O_APPEND, O_CREAT, O_TRUNC, O_EXCL } = fs.constants;
  const access = asked & WRITE ? (asked & READ ? O_RDWR : O_WRONLY) : O_RDONLY;
  return [
    [APPEND, O_APPEND],
    [CREAT, O_CREAT],
    [TRUNC, O_TRUNC],
    [EXCL, O_EXCL],
  ].reduce((flags, [theirs, ours]) => (asked & theirs ? flags | ours : flags), access);
};

const serve = (sftp) => {
  const told = (id) => (error) => sftp.status(id, statusOf(error));
  const attributes = (id) => (error, found) =>
    error ? sftp.status(id, statusOf(error)) : sftp.attrs(id, found);
  const descriptor = (handle) => handle.readUInt32BE(0);
  sftp.on("OPEN", (id, name, flags) =>
    fs.open(local(name), flagsOf(flags), 0o644, (error, opened) => {
      if (error) return sftp.status(id, statusOf(error));
      const handle = Buffer.alloc(4);
      handle.writeUInt32BE(opened);
      sftp.handle(id, handle);
    }),
  );
  sftp.on("WRITE", (id, handle, offset, data) =>
    fs.write(descriptor(handle), data, 0, data.length, offset, told(id)),
  );
  sftp.on("CLOSE", (id, handle) => fs.close(descriptor(handle), told(id)));
  sftp.on("FSTAT", (id, handle) => fs.fstat(descriptor(handle), attributes(id)));
  sftp.on("STAT", (id, name) => fs.stat(local(name), attributes(id)));
  sftp.on("LSTAT", (id, name) => fs.lstat(local(name), attributes(id)));
  sftp.on("REMOVE", (id, name) => fs.unlink(local(name), told(id)));
  sftp.on("RENAME", (id, from, to) => fs.rename(local(from), local(to), told(id)));
  sftp.on("REALPATH", (id, name) =>
    sftp.name(id, [{ filename: path.posix.normalize(`/${name}`), longname: "", attrs: {} }]),
  );
};

new Server({ hostKeys: [fs.readFileSync(hostKey)] }, (client) => {
  client.on("error", () => {});
  client.on("authentication", (login) => {
    if (login.method !== "publickey") return login.reject(["publickey"]);
    const key = authorized.find((known) => login.key.data.equals(known));
    if (!key) return login.reject(["publickey"]);
    if (!login.signature) return login.accept();
    const line = fs.readFileSync(authorizedKeys, "utf8").split("\n")[0];
    const isSigned = utils.parseKey(line).verify(login.blob, login.signature, login.hashAlgo);
    return isSigned === true ? login.accept() : login.reject(["publickey"]);
  });
  client.on("session", (accept) => accept().on("sftp", (open) => serve(open())));
}).listen(Number(port), "127.0.0.1");
