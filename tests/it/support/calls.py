"""Makes a thread of another process do system calls, as code would that an attacker has brought into it.

Arguments: the id of the thread. Standard input: a list, in JSON, of [name, number, arguments]; an argument is a number,
{"bytes": hexadecimal} for a pointer to these bytes, or {"result": name} for the result of an earlier call. Standard
output: the result of each, in JSON; a negative one is an error number.
"""
import ctypes, json, os, platform, signal, struct, sys

PEEK_REGISTERS, POKE_REGISTERS, STEP, ATTACH, DETACH = 0x4204, 0x4205, 9, 16, 17
PRSTATUS, SYSTEM_CALL, WALL = 1, 0x404, 0x40000000
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long

# Where the registers are in the kernel's structure, and how long the instruction of a system call is.
if platform.machine() == "x86_64":
    COUNT, NUMBER, RESULT, ARGUMENTS, PC, SP, LENGTH = 27, 10, 10, [14, 13, 12, 7, 9, 8], 16, 19, 2
else:
    COUNT, NUMBER, RESULT, ARGUMENTS, PC, SP, LENGTH = 34, 8, 0, [0, 1, 2, 3, 4, 5], 32, 31, 4


class Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


def trace(request, kind=None, data=None):
    if libc.ptrace(request, thread, kind, data) < 0:
        raise OSError(ctypes.get_errno(), f"ptrace {request:#x}")


def registers(request, kind, values):
    values = (ctypes.c_uint64 * len(values))(*values)
    vector = Vector(ctypes.addressof(values), ctypes.sizeof(values))
    trace(request, kind, ctypes.addressof(vector))
    return list(values)


def stopped():
    _, status = os.waitpid(thread, WALL)
    assert os.WIFSTOPPED(status), status


def call(number, arguments):
    changed, free = list(before), before[SP] - 8192
    for place, argument in zip(ARGUMENTS, arguments):
        if isinstance(argument, dict) and "result" in argument:
            argument = results[argument["result"]]
        elif isinstance(argument, dict):
            text = bytes.fromhex(argument["bytes"])
            os.pwrite(memory, text, free)
            argument, free = free, free + (len(text) + 15) // 16 * 16
        changed[place] = argument & 0xFFFFFFFFFFFFFFFF
    changed[NUMBER], changed[PC] = number, instruction
    if platform.machine() == "x86_64":
        changed[15] = 0xFFFFFFFFFFFFFFFF  # No system call is to be started again.
    registers(POKE_REGISTERS, PRSTATUS, changed)
    trace(STEP)
    stopped()
    return struct.unpack("q", struct.pack("Q", registers(PEEK_REGISTERS, PRSTATUS, [0] * COUNT)[RESULT]))[0]


thread = int(sys.argv[1])
trace(ATTACH)
stopped()
before = registers(PEEK_REGISTERS, PRSTATUS, [0] * COUNT)
memory = os.open(f"/proc/{thread}/mem", os.O_RDWR)
# It waits in a system call: the instruction of that is just behind.
instruction = before[PC] - LENGTH
assert os.pread(memory, LENGTH, instruction) in (b"\x0f\x05", b"\x01\x00\x00\xd4"), "it does not wait in a system call"
results = {}
for name, number, arguments in json.load(sys.stdin):
    results[name] = call(number, arguments)
registers(POKE_REGISTERS, PRSTATUS, before)
trace(DETACH)
json.dump(results, sys.stdout)
