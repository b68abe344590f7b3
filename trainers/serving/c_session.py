"""Runs a SavedModel through TensorFlow's C API, without TensorFlow's Python code, as TensorFlow Serving does.

python -P trainers/serving/c_session.py EXPORT < REQUESTS > ANSWERS

Requests and answers are JSON. A request is {"inputs": {NAME: ARRAY}, "outputs": {KEY: NAME}}, where NAME is the name of
a tensor in the graph and ARRAY is what `to_json` returns; its answer is {KEY: ARRAY}. Both files hold a list of them.
"""

import base64
import ctypes
import importlib.util
import json
import pathlib
import sys

import numpy as np

STRING, STRING_SIZE = 7, 24  # the number of TF_STRING in TF_DataType, and the size of a TF_TString in bytes
TYPES = {1: "float32", 3: "int32", 4: "uint8", 9: "int64"}  # other numbers of TF_DataType
POINTERS = ("NewStatus", "NewGraph", "NewSessionOptions", "LoadSessionFromSavedModel", "GraphOperationByName")
POINTERS += ("AllocateTensor", "TensorData", "StringGetDataPointer")
RESULT_TYPES = {  # of the functions that do not return an int
    ctypes.c_void_p: POINTERS,
    ctypes.c_size_t: ("TensorByteSize", "StringGetSize", "Dim"),
    ctypes.c_char_p: ("Message",),
}


def to_json(array: np.ndarray) -> dict:
    """Returns the type, shape and base64 content of an array as a dict for JSON.

    Args:
        array: of float32, int32, uint8 or int64, or of `bytes` objects.
    """
    array = np.asarray(array)
    if array.dtype == object:
        content = [base64.b64encode(entry).decode() for entry in array.ravel()]
        return {"type": "string", "shape": array.shape, "content": content}
    content = base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
    return {"type": array.dtype.name, "shape": array.shape, "content": content}


def from_json(value: dict) -> np.ndarray:
    """Returns the array that `to_json` made a dict of."""
    if value["type"] == "string":
        return np.array([base64.b64decode(entry) for entry in value["content"]], object).reshape(value["shape"])
    return np.frombuffer(base64.b64decode(value["content"]), value["type"]).reshape(value["shape"])


class _Output(ctypes.Structure):
    """TF_Output: an output of an operation."""

    _fields_ = [("operation", ctypes.c_void_p), ("index", ctypes.c_int)]


class CSession:
    """A SavedModel loaded by TF_LoadSessionFromSavedModel.

    Args:
        path: folder of a version.

    Raises:
        RuntimeError: if the SavedModel cannot be loaded.
    """

    def __init__(self, path: str):
        (package,) = importlib.util.find_spec("tensorflow").submodule_search_locations
        self._library = ctypes.CDLL(str(pathlib.Path(package) / "libtensorflow_cc.so.2"))
        for result_type, names in RESULT_TYPES.items():
            for name in names:
                self._function(name).restype = result_type
        self._status = ctypes.c_void_p(self._call("NewStatus"))
        self._graph = ctypes.c_void_p(self._call("NewGraph"))
        options = ctypes.c_void_p(self._call("NewSessionOptions"))
        tags = (ctypes.c_char_p * 1)(b"serve")
        path = ctypes.c_char_p(str(path).encode())
        loaded = self._checked("LoadSessionFromSavedModel", options, None, path, tags, 1, self._graph, None)
        self._session = ctypes.c_void_p(loaded)

    def run(self, inputs: dict[str, np.ndarray], outputs: list[str]) -> list[np.ndarray]:
        """Returns the values of tensors.

        Args:
            inputs: the values to feed, by the names of their tensors.
            outputs: names of the tensors to return.

        Raises:
            RuntimeError: if the graph raises an error.
        """
        feeds, fetches = ((_Output * len(names))(*map(self._output, names)) for names in (inputs, outputs))
        values = (ctypes.c_void_p * len(inputs))(*(self._tensor(value) for value in inputs.values()))
        results = (ctypes.c_void_p * len(outputs))()
        arguments = [None, feeds, values, len(inputs), fetches, results, len(outputs), None, 0, None]
        try:
            self._checked("SessionRun", self._session, *arguments)
            return [self._array(ctypes.c_void_p(result)) for result in results]
        finally:
            for tensor in (*values, *results):
                self._call("DeleteTensor", ctypes.c_void_p(tensor))

    def _function(self, name):
        return getattr(self._library, f"TF_{name}")

    def _call(self, name, *arguments):
        return self._function(name)(*arguments)

    def _checked(self, name, *arguments):
        """Calls a function whose last argument is a TF_Status; raises RuntimeError unless the status is OK."""
        result = self._call(name, *arguments, self._status)
        if self._call("GetCode", self._status):
            raise RuntimeError(self._call("Message", self._status).decode())
        return result

    def _output(self, name):
        operation, _, index = name.partition(":")
        found = self._call("GraphOperationByName", self._graph, ctypes.c_char_p(operation.encode()))
        return _Output(found, int(index or 0))

    def _tensor(self, array):
        """Returns the address of a new TF_Tensor."""
        is_string = array.dtype == object
        kind = STRING if is_string else {name: number for number, name in TYPES.items()}[array.dtype.name]
        size = array.size * STRING_SIZE if is_string else array.nbytes
        shape = (ctypes.c_int64 * array.ndim)(*array.shape)
        tensor = self._call("AllocateTensor", kind, shape, array.ndim, ctypes.c_size_t(size))
        data = self._call("TensorData", ctypes.c_void_p(tensor))
        if not is_string:
            ctypes.memmove(data, np.ascontiguousarray(array).ctypes.data, size)
        for i, entry in enumerate(array.ravel() if is_string else ()):
            place = ctypes.c_void_p(data + i * STRING_SIZE)
            self._call("StringInit", place)
            self._call("StringCopy", place, ctypes.c_char_p(entry), ctypes.c_size_t(len(entry)))
        return tensor

    def _array(self, tensor):
        shape = [self._call("Dim", tensor, i) for i in range(self._call("NumDims", tensor))]
        data, kind = self._call("TensorData", tensor), self._call("TensorType", tensor)
        if kind != STRING:
            content = ctypes.string_at(data, self._call("TensorByteSize", tensor))
            return np.frombuffer(content, TYPES[kind]).reshape(shape)
        entries = []
        for i in range(int(np.prod(shape))):
            place = ctypes.c_void_p(data + i * STRING_SIZE)
            size = self._call("StringGetSize", place)
            entries.append(ctypes.string_at(self._call("StringGetDataPointer", place), size))
        return np.array(entries, object).reshape(shape)


def main(path):
    """Answers the requests on standard input, on standard output."""
    session, answers = CSession(path), []
    for request in json.load(sys.stdin):
        inputs = {name: from_json(value) for name, value in request["inputs"].items()}
        values = session.run(inputs, list(request["outputs"].values()))
        answers.append({key: to_json(value) for key, value in zip(request["outputs"], values)})
    assert "tensorflow" not in sys.modules
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
