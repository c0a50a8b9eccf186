"""From contenders to times, each measurement in a process of its own.

contest.py              loads all contenders, compares their answers, times them in interleaved rounds
contender_process.py    starts a contender's process and talks to it; contender_main.py is what runs in it
agreement.py            whether a contender answers as the reference does
memory.py               resident memory after loading and after thousands of texts
avx2.py                 processes that find a CPU with AVX2 and nothing newer
cold_start.py           seconds and memory from a new process to its first label
flops.py                arithmetic: the most this machine does per second, and what a forward pass needs
installed_size.py       megabytes of a fresh installation
cpu_time.py             CPU seconds of a process and of the whole machine
process_environment.py  environment variables of every measured process
spread.py               medians and ratios of rounds, with the smallest and the largest
"""
