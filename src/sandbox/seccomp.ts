/**
 * A system-call filter in the kernel's classic BPF (seccomp(2)), as bubblewrap takes it: what a test suite never needs and
 * what has been the way out of sandboxes, or hides memory from a limit that counts processes, answers "not implemented"; a
 * socket of a family that a namespace of the network does not hold back (AF_VSOCK) or that nothing needs, "not supported".
 */

/** Numbers by machine, as Linux gives them: [x86_64, aarch64]. */
const refused: Readonly<Record<string, readonly [number, number]>> = {
  // Memory that belongs to no process's address space.
  memfd_create: [319, 279],
  memfd_secret: [447, 447],
  shmget: [29, 194],
  msgget: [68, 186],
  // Other processes' memory, and kernel machinery with a history.
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
  // Mounts and namespaces: the sandbox's own stay as they are.
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

/** `socket`, by the same columns, and the families that it is allowed for: AF_UNIX, AF_INET, AF_INET6, AF_NETLINK. */
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

/** Places in what a filter is shown: the number of the call, the machine, the low half of the first argument. */
const place = { number: 0, machine: 4, argument: 16 };

/** The filter for a machine, ready for `--seccomp`; null for one whose numbers are not known here. */
export function seccompFilter(architecture: string = process.arch): Buffer | null {
  const machine = machines[architecture];
  if (!machine) return null;
  const numbers = Object.values(refused).map((columns) => columns[machine.column]);
  const instructions: (readonly [code: number, jumpTrue: number, jumpFalse: number, value: number])[] = [
    // Calls by another machine's numbers (32-bit programs) would slip through.
    [load, 0, 0, place.machine],
    [jumpIfEqual, 1, 0, machine.audit],
    [answer, 0, 0, killProcess],
    [load, 0, 0, place.number],
    // So would those of the x32 convention, which x86_64 marks by this bit.
    [jumpIfAtLeast, numbers.length + 2, 0, 0x40000000],
    ...numbers.map((number, index) => [jumpIfEqual, numbers.length + 1 - index, 0, number] as const),
    [jumpIfEqual, 2, 0, socket[machine.column]],
    [answer, 0, 0, allow],
    [answer, 0, 0, notImplemented],
    [load, 0, 0, place.argument],
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
