/**
 * A system-call filter in the kernel's classic BPF (seccomp(2)), in the form that bubblewrap takes. System calls that
 * tests never need and that were used to escape from sandboxes, or that hide memory from a limit on processes, fail
 * with "not implemented". Sockets of a family that a network namespace does not isolate (AF_VSOCK), or that no test
 * needs, fail with "not supported".
 */

/** System call numbers of Linux: [x86_64, aarch64]. */
const refused: Readonly<Record<string, readonly [number, number]>> = {
  // Memory outside every process's address space.
  memfd_create: [319, 279],
  memfd_secret: [447, 447],
  shmget: [29, 194],
  msgget: [68, 186],
  // Other processes' memory, and kernel interfaces with a history of vulnerabilities.
  ptrace: [101, 117],
  process_vm_readv: [310, 270],
  process_vm_writev: [311, 271],
  bpf: [321, 280],
  perf_event_open: [298, 241],
  userfaultfd: [323, 282],
  io_uring_setup: [425, 425],
  add_key: [248, 217],
  request_key: [249, 218],
  keyctl: [250, 219],
  // Mounts and namespaces: those of the sandbox must not change.
  unshare: [272, 97],
  setns: [308, 268],
  mount: [165, 40],
  umount2: [166, 39],
  pivot_root: [155, 41],
  open_tree: [428, 428],
  move_mount: [429, 429],
  fsopen: [430, 430],
  mount_setattr: [442, 442],
  open_by_handle_at: [304, 265],
};

/** `socket`, in the same columns, and its allowed families: AF_UNIX, AF_INET, AF_INET6, AF_NETLINK. */
const socket = [41, 198] as const;
const families = [1, 2, 10, 16];

const machines: Readonly<Record<string, { readonly audit: number; readonly column: 0 | 1 }>> = {
  x64: { audit: 0xc000003e, column: 0 },
  arm64: { audit: 0xc00000b7, column: 1 },
};

const load = 0x20;
const jumpIfEqual = 0x15;
const jumpIfAtLeast = 0x35;
const answer = 0x06;

const allow = 0x7fff0000;
const killProcess = 0x80000000;
const notImplemented = 0x00050000 | 38;
const familyNotSupported = 0x00050000 | 97;

/** Offsets in the filter's input: the call's number, the architecture, the low half of the first argument. */
const location = { number: 0, machine: 4, argument: 16 };

/** The filter for an architecture, ready for `--seccomp`; null if its numbers are not known here. */
export function seccompFilter(architecture: string = process.arch): Buffer | null {
  const machine = machines[architecture];
  if (!machine) return null;
  const numbers = Object.values(refused).map((columns) => columns[machine.column]);
  const instructions: (readonly [code: number, jumpTrue: number, jumpFalse: number, value: number])[] = [
    // System calls by another architecture's numbers (32-bit programs) would bypass the filter.
    [load, 0, 0, location.machine],
    [jumpIfEqual, 1, 0, machine.audit],
    [answer, 0, 0, killProcess],
    [load, 0, 0, location.number],
    // So would those of the x32 ABI, which this bit marks on x86_64.
    [jumpIfAtLeast, numbers.length + 2, 0, 0x40000000],
    ...numbers.map((number, index) => [jumpIfEqual, numbers.length + 1 - index, 0, number] as const),
    [jumpIfEqual, 2, 0, socket[machine.column]],
    [answer, 0, 0, allow],
    [answer, 0, 0, notImplemented],
    [load, 0, 0, location.argument],
    ...families.map((family, index) => [jumpIfEqual, families.length - index, 0, family] as const),
    [answer, 0, 0, familyNotSupported],
    [answer, 0, 0, allow],
  ];
  const program = Buffer.alloc(8 * instructions.length);
  for (const [index, [code, jumpTrue, jumpFalse, value]] of instructions.entries()) {
    program.writeUInt16LE(code, 8 * index);
    program.writeUInt8(jumpTrue, 8 * index + 2);
    program.writeUInt8(jumpFalse, 8 * index + 3);
    program.writeUInt32LE(value, 8 * index + 4);
  }
  return program;
}
