"""Unmodified clients of WebHDFS from PyPI against a cluster: webhdfs.py HOST:PORT USER"""

import os
import sys

import fsspec
import hdfs
from hdfs.util import HdfsError
from pywebhdfs import errors
from pywebhdfs.webhdfs import PyWebHdfsClient

address, user = sys.argv[1:]
host, port = address.split(":")
data = os.urandom(3_000_000)


def hdfs_client():
    client = hdfs.InsecureClient(f"http://{address}", user=user, root="/")
    client.makedirs("/hdfs/dir", permission="750")
    client.write("/hdfs/file", data)
    with client.read("/hdfs/file") as reader:
        assert reader.read() == data
    with client.read("/hdfs/file", offset=10, length=20) as reader:
        assert reader.read() == data[10:30]
    client.write("/hdfs/file", b"tail", append=True)
    assert client.status("/hdfs/file")["length"] == len(data) + 4
    with client.write("/hdfs/text", encoding="utf-8", overwrite=True) as writer:
        writer.write("grüße\n")
    with client.read("/hdfs/text", encoding="utf-8", delimiter="\n") as reader:
        assert [line for line in reader if line] == ["grüße"]
    try:
        client.write("/hdfs/file", b"x")
        raise AssertionError("it was overwritten")
    except HdfsError as error:
        assert "exists" in str(error) or error.exception == "FileAlreadyExistsException", error
    assert sorted(client.list("/hdfs")) == ["dir", "file", "text"]
    assert [path for path, _, _ in client.walk("/hdfs")] == ["/hdfs", "/hdfs/dir"]
    client.rename("/hdfs/text", "/hdfs/renamed")
    client.set_permission("/hdfs/renamed", "600")
    client.set_owner("/hdfs/renamed", owner="ann", group="staff")
    client.set_replication("/hdfs/renamed", 2)
    client.set_times("/hdfs/renamed", modification_time=1234)
    status = client.status("/hdfs/renamed")
    assert (status["permission"], status["owner"], status["replication"]) == ("600", "ann", 2), status
    assert status["modificationTime"] == 1234
    assert client.content("/hdfs")["fileCount"] == 2
    assert client.checksum("/hdfs/file")["algorithm"] == "COMPOSITE-CRC32C"
    assert client.status("/nothing", strict=False) is None
    local = os.path.join(os.getcwd(), "downloaded")
    client.download("/hdfs/file", local)
    with open(local, "rb") as file:
        assert file.read() == data + b"tail"
    client.upload("/hdfs/uploaded", local)
    assert client.status("/hdfs/uploaded")["length"] == len(data) + 4
    assert client.delete("/hdfs", recursive=True)
    assert not client.delete("/hdfs")


def pywebhdfs_client():
    client = PyWebHdfsClient(host=host, port=port, user_name=user)
    client.make_dir("pyweb/dir")
    client.create_file("pyweb/file", b"hello")
    client.append_file("pyweb/file", b", again")
    assert client.read_file("pyweb/file") == b"hello, again"
    assert client.read_file("pyweb/file", offset=7, length=3) == b"aga"
    listing = client.list_dir("pyweb")["FileStatuses"]["FileStatus"]
    assert [entry["pathSuffix"] for entry in listing] == ["dir", "file"]
    assert client.get_file_dir_status("pyweb/file")["FileStatus"]["length"] == 12
    assert client.get_content_summary("pyweb")["ContentSummary"]["fileCount"] == 1
    client.rename_file_dir("pyweb/file", "/pyweb/other")
    try:
        client.read_file("pyweb/file")
        raise AssertionError("it is there")
    except errors.FileNotFound:
        pass
    client.delete_file_dir("pyweb", recursive=True)


def fsspec_client():
    fs = fsspec.filesystem("webhdfs", host=host, port=int(port), user=user, skip_instance_cache=True)
    fs.mkdirs("/fsspec/dir")
    with fs.open("/fsspec/file", "wb", block_size=1 << 20) as file:
        file.write(data)
    assert fs.size("/fsspec/file") == len(data)
    assert fs.cat("/fsspec/file") == data
    with fs.open("/fsspec/file", "rb") as file:
        file.seek(1_000_000)
        assert file.read(100) == data[1_000_000:1_000_100]
    assert sorted(os.path.basename(path) for path in fs.ls("/fsspec", detail=False)) == ["dir", "file"]
    assert fs.isdir("/fsspec/dir") and fs.exists("/fsspec/file") and not fs.exists("/fsspec/none")
    fs.mv("/fsspec/file", "/fsspec/moved")
    assert fs.ukey("/fsspec/moved")["algorithm"] == "COMPOSITE-CRC32C"
    assert fs.content_summary("/fsspec")["fileCount"] == 1
    assert fs.home_directory() == f"/user/{user}"
    fs.rm("/fsspec", recursive=True)
    assert not fs.exists("/fsspec")


hdfs_client()
pywebhdfs_client()
fsspec_client()
print("all three clients are content")
