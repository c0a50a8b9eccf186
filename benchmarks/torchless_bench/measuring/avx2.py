"""Processes in which libraries find a CPU with AVX2 and nothing newer, as on most servers before 2017 and many laptops.

ONNX Runtime, and others in part, have no switch for that. So CPUID itself answers less: Linux can make the instruction
fault in a thread and all that it starts (`arch_prctl(ARCH_SET_CPUID, 0)`), and a handler in machine code then runs it,
clears the bits of AVX-512, AVX-VNNI and AMX, and goes on behind it. Whatever is loaded afterwards chooses its kernels
for AVX2. A program that is started from here finds the whole CPU again.

    python -m torchless_bench.measuring.avx2 MODULE ARGUMENTS
"""

from __future__ import annotations

import ctypes
import mmap
import platform
import runpy
import sys
from collections.abc import Sequence

# Nothing but the standard library may be loaded before `limit`: numpy, for one, asks the CPU when it is imported.
from torchless_bench.hardware_and_versions import InstructionSet, cpu_flags

_SIGSEGV, _SA_SIGINFO = 11, 4
_SYS_ARCH_PRCTL, _ARCH_SET_CPUID = 158, 0x1012
# CPUID leaf 7: AVX-512 and its parts in EBX, ECX and EDX; VNNI and bf16 of AVX-512; AMX in EDX.
_NEWER_EBX = [16, 17, 21, 26, 27, 28, 30, 31]
_NEWER_ECX = [1, 6, 11, 12, 14]
_NEWER_EDX = [2, 3, 8, 22, 23, 24, 25]
# A handler for SIGSEGV on x86-64 Linux: rdx is the ucontext_t, whose registers begin at 40.
_HANDLER = (
    "53"  # push rbx
    "4989d0"  # mov r8, rdx
    "4d8b88a8000000"  # mov r9, [r8+168]              rip
    "664181390fa2"  # cmp word [r9], 0xa20f         cpuid
    "0f8582000000"  # jne another
    "b89e000000 bf12100000 be01000000 0f05"  # arch_prctl(ARCH_SET_CPUID, 1)
    "418b8090000000"  # mov eax, [r8+144]             rax, the leaf
    "418b8898000000"  # mov ecx, [r8+152]             rcx, the part of the leaf
    "4189c2 0fa2"  # mov r10d, eax; cpuid
    "4183fa07 7524"  # cmp r10d, 7; jne store
    "31c0"  # xor eax, eax                  no more parts of this leaf
    "4183b89800000000 7406"  # cmp dword [r8+152], 0; je first
    "31db 31c9 31d2"  # xor ebx, ebx; xor ecx, ecx; xor edx, edx
    "81e3{ebx} 81e1{ecx} 81e2{edx}"  # first: and ebx, …; and ecx, …; and edx, …
    "49898090000000 49899880000000"  # store: rax and rbx
    "49898898000000 49899088000000"  # rcx and rdx
    "498380a800000002"  # add qword [r8+168], 2         behind the instruction
    "b89e000000 bf12100000 31f6 0f05"  # arch_prctl(ARCH_SET_CPUID, 0)
    "5bc3"  # pop rbx; ret
    "b80d000000 bf0b000000 488d350c000000 31d2 41ba08000000 0f05"  # another: sigaction(SIGSEGV, default)
    "5bc3" + "00" * 32  # pop rbx; ret                  the instruction faults again, and ends the process
)


class _Sigaction(ctypes.Structure):
    _fields_ = (
        ("handler", ctypes.c_void_p),
        ("mask", ctypes.c_ubyte * 128),
        ("flags", ctypes.c_int),
        ("restorer", ctypes.c_void_p),
    )


_keep: list[mmap.mmap] = []  # the handler's page, for as long as the process runs


def limit() -> None:
    """Let this thread, and all threads that it starts, find AVX2 and nothing newer.

    Raises:
        OSError: the system or the CPU cannot do that.
    """
    problem = why_not()
    if problem:
        raise OSError(problem)
    masks = {name: _mask(bits) for name, bits in (("ebx", _NEWER_EBX), ("ecx", _NEWER_ECX), ("edx", _NEWER_EDX))}
    page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(bytes.fromhex(_HANDLER.format(**masks)))
    _keep.append(page)
    libc = ctypes.CDLL(None, use_errno=True)
    handler = ctypes.addressof(ctypes.c_char.from_buffer(page))
    action = _Sigaction(handler=handler, flags=_SA_SIGINFO)
    if libc.sigaction(_SIGSEGV, ctypes.byref(action), None) or libc.syscall(_SYS_ARCH_PRCTL, _ARCH_SET_CPUID, 0):
        raise OSError(ctypes.get_errno(), "the system does not let CPUID fault")


def why_not() -> str | None:
    """Why libraries cannot be made to find AVX2 alone here; None if they can."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return f"it needs Linux on x86-64, this is {platform.system()} on {platform.machine()}"
    missing = {"avx2", "cpuid_fault"} - cpu_flags()
    return f"the CPU, or the virtual machine, does not have {' and '.join(sorted(missing))}" if missing else None


def command(isa: InstructionSet | None) -> list[str]:
    """What starts a module in a process of its own, up to the module's name."""
    return [sys.executable, "-m", *([__name__] if isa else [])]


def _mask(bits: Sequence[int]) -> str:
    """All bits but these, as an instruction holds them."""
    return (0xFFFFFFFF & ~sum(1 << bit for bit in bits)).to_bytes(4, "little").hex()


if __name__ == "__main__":
    limit()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
