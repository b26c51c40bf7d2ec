/**
 * A system-call filter in the kernel's classic BPF (seccomp(2)), in the form that bubblewrap takes. System calls that
 * tests never need and that were used to escape from sandboxes, or that hide memory from a limit on processes, fail
 * with "not implemented". Sockets of a family that a network namespace does not isolate (AF_VSOCK), or that no test
 * needs, fail with "not supported". The signal that opens Node's inspector is not permitted. A command that is alone can start
 * threads, but no processes.
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

/**
 * System calls that send a signal, in the same columns, and the argument that holds its number. SIGUSR1 makes Node open its
 * inspector, through which a program can read its own memory.
 */
const signalling: readonly (readonly [x64: number, arm64: number, argument: number])[] = [
  [62, 129, 1], // kill
  [200, 130, 1], // tkill
  [234, 131, 2], // tgkill
  [129, 138, 1], // rt_sigqueueinfo
  [297, 240, 2], // rt_tgsigqueueinfo
  [424, 424, 1], // pidfd_send_signal
];
const inspectorSignal = 10;

/**
 * System calls that start a process, in the same columns. `clone` also starts threads, and its flags say so; the flags of `clone3`
 * are in memory that a filter cannot read, and libraries use `clone` where it is not implemented.
 */
const starting = { fork: [57, null], vfork: [58, null], clone: [56, 220], clone3: [435, 435] } as const;
const threadFlag = 0x10000;

const load = 0x20;
const jumpIfEqual = 0x15;
const jumpIfAtLeast = 0x35;
const jumpIfSet = 0x45;
const answer = 0x06;

const allow = 0x7fff0000;
const killProcess = 0x80000000;
const notPermitted = 0x00050000 | 1;
const notImplemented = 0x00050000 | 38;
const familyNotSupported = 0x00050000 | 97;

/** Offsets in the filter's input: the call's number, the architecture, the low half of an argument. */
const location = { number: 0, machine: 4, argument: (index: number) => 16 + 8 * index };

type Instruction = readonly [code: number, jumpTrue: number, jumpFalse: number, value: number];

/**
 * The filter for an architecture, ready for `--seccomp`; null if its numbers are not known here.
 *
 * @param options.isSolitary whether the command can open no sockets at all, and start no processes
 */
export function seccompFilter(
  architecture: string = process.arch,
  { isSolitary = false }: { readonly isSolitary?: boolean } = {},
): Buffer | null {
  const machine = machines[architecture];
  if (!machine) return null;
  const { column, audit } = machine;
  const numbers = Object.values(refused).map((columns) => columns[column]);
  const allowedFamilies = isSolitary ? [] : families;
  // Each check of a signal is a block of five instructions, after which the call's number is loaded again.
  const signalChecks = signalling.flatMap((call): Instruction[] => [
    [jumpIfEqual, 0, 4, call[column]],
    [load, 0, 0, location.argument(call[2])],
    [jumpIfEqual, 0, 1, inspectorSignal],
    [answer, 0, 0, notPermitted],
    [load, 0, 0, location.number],
  ]);
  const instructions: Instruction[] = [
    // System calls by another architecture's numbers (32-bit programs) would bypass the filter.
    [load, 0, 0, location.machine],
    [jumpIfEqual, 1, 0, audit],
    [answer, 0, 0, killProcess],
    [load, 0, 0, location.number],
    ...signalChecks,
    ...(isSolitary ? startChecks(column) : []),
    // So would those of the x32 ABI, which this bit marks on x86_64.
    [jumpIfAtLeast, numbers.length + 2, 0, 0x40000000],
    ...numbers.map((number, index): Instruction => [jumpIfEqual, numbers.length + 1 - index, 0, number]),
    [jumpIfEqual, 2, 0, socket[column]],
    [answer, 0, 0, allow],
    [answer, 0, 0, notImplemented],
    [load, 0, 0, location.argument(0)],
    ...allowedFamilies.map((family, index): Instruction => [jumpIfEqual, allowedFamilies.length - index, 0, family]),
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

/** Blocks of instructions that refuse to start a process. */
function startChecks(column: 0 | 1): Instruction[] {
  const refuse = (number: number | null, error: number): Instruction[] =>
    number === null
      ? []
      : [
          [jumpIfEqual, 0, 1, number],
          [answer, 0, 0, error],
        ];
  return [
    ...refuse(starting.fork[column], notPermitted),
    ...refuse(starting.vfork[column], notPermitted),
    ...refuse(starting.clone3[column], notImplemented),
    [jumpIfEqual, 0, 4, starting.clone[column]],
    [load, 0, 0, location.argument(0)],
    [jumpIfSet, 1, 0, threadFlag],
    [answer, 0, 0, notPermitted],
    [load, 0, 0, location.number],
  ];
}
