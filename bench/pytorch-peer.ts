import { execFile } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { messageOf } from '../src/platform/errors.ts';
import { packageRoot } from '../src/platform/package-root.ts';
import type { Launch } from './contestant.ts';

const execute = promisify(execFile);

/** A Python with PyTorch and an optimised BLAS library. */
export interface PyTorch {
  readonly python: string;
  readonly version: string;
  readonly blas: string;
}

/** The reason why there is no peer, in a few words. */
export interface NoPeer {
  readonly reason: string;
}

/**
 * The packages with which PyTorch is fastest on Debian and Ubuntu. Without OpenBLAS, it uses the slow reference BLAS. The
 * faster one of OpenBLAS's two builds depends on the workload.
 */
const debianPackages = ['python3-torch', 'libopenblas0-pthread', 'libopenblas0-openmp'];
const installHint = `install ${debianPackages.join(', ')} on Debian or Ubuntu, or install PyTorch with pip and pass its Python with --python`;

const script = (): string => path.join(packageRoot(), 'bench', 'pytorch.py');

const description = z.object({ version: z.string(), blas: z.string() });

/** Parses the output of `pytorch.py --describe`; null: the output is invalid. */
export function parseDescription(output: string): z.infer<typeof description> | null {
  try {
    return description.safeParse(JSON.parse(output.trim().split('\n').at(-1) ?? '')).data ?? null;
  } catch {
    return null;
  }
}

/** Looks for PyTorch in the given Python, or else in those that a system usually has. */
export async function findPyTorch(python?: string): Promise<PyTorch | NoPeer> {
  const candidates = python === undefined ? ['python3', '/usr/bin/python3', 'python'] : [python];
  const reasons: string[] = [];
  for (const candidate of candidates) {
    const found = await describe(candidate);
    if (!('reason' in found) && !isSlow(found.blas)) return found;
    reasons.push('reason' in found ? found.reason : `its BLAS is the slow reference one, ${found.blas}`);
  }
  // The most useful reason comes from a Python that has PyTorch but no fast BLAS; the last candidates are only guesses.
  const reason = reasons.find((text) => text.includes('BLAS')) ?? reasons[0];
  return { reason: `${reason}; ${installHint}` };
}

async function describe(python: string): Promise<PyTorch | NoPeer> {
  try {
    const { stdout } = await execute(python, [script(), '--describe'], { timeout: 60_000, windowsHide: true });
    const found = parseDescription(stdout);
    return found ? { python, ...found } : { reason: `${python} answers in an unknown way` };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { reason: `not installed (no ${python})` };
    const { stderr = '' } = error as { stderr?: string };
    if (/No module named '?torch/.test(stderr)) return { reason: `not installed for ${python}` };
    return { reason: `${python} fails (${stderr.trim().split('\n').at(-1) || messageOf(error)})` };
  }
}

/** Whether a library is the reference BLAS: its file is named `libblas` or `libcblas`, without a vendor's name. */
const isSlow = (blas: string): boolean => /^lib(c?blas)\b/.test(blas);

/** Installs PyTorch and OpenBLAS if this is possible without a prompt: as root on Debian. */
export async function installPyTorch(progress: (line: string) => void): Promise<NoPeer | null> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return { reason: 'installing it needs root on Linux' };
  try {
    progress(`Installing ${debianPackages.join(', ')} as the peer to compare with.`);
    const options = { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }, timeout: 600_000, maxBuffer: 1e8 };
    await execute('apt-get', ['-q', 'update'], options);
    await execute('apt-get', ['-q', 'install', '-y', '--no-install-recommends', ...debianPackages], options);
    return null;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { reason: 'it is not a Debian system (no apt-get)' };
    const { stderr = '' } = error as { stderr?: string };
    return { reason: `apt-get failed (${stderr.trim().split('\n').at(-1) || messageOf(error)})` };
  }
}

/** A number of threads for PyTorch, and the environment variables that set it. */
export interface ThreadSetting {
  readonly name: string;
  readonly env: Readonly<Record<string, string>>;
}

/** PyTorch runs its own operators on OpenMP threads, and matrix products on the threads of a BLAS. */
function setting(openmp: number, blas: number, note = '', extra: Readonly<Record<string, string>> = {}): ThreadSetting {
  const env = { OMP_NUM_THREADS: `${openmp}`, OPENBLAS_NUM_THREADS: `${blas}`, MKL_NUM_THREADS: `${blas}`, ...extra };
  return { name: `OMP ${openmp}, BLAS ${blas}${note}`, env };
}

export const oneThread: ThreadSetting = setting(1, 1);

/**
 * The thread settings to try with PyTorch. The comparison uses the fastest one for each workload. If OpenMP and OpenBLAS
 * both use all cores, idle OpenMP threads must sleep, because they would otherwise occupy the cores that OpenBLAS needs.
 * The alternative is the OpenBLAS build in the folder `openblasOnOpenmp`, which runs on OpenMP's threads itself.
 */
export function threadSettings(cores: number, openblasOnOpenmp: string | null): ThreadSetting[] {
  if (cores === 1) return [oneThread];
  const passive = { OMP_WAIT_POLICY: 'PASSIVE' };
  const shared = openblasOnOpenmp === null ? [] : [{ LD_LIBRARY_PATH: openblasOnOpenmp }];
  return [
    oneThread,
    setting(cores, 1),
    setting(1, cores),
    setting(cores, cores, ', passive', passive),
    ...shared.map((library) => setting(cores, cores, ' on OpenMP', library)),
  ];
}

/** The folder of Debian's and Ubuntu's OpenBLAS build that runs on OpenMP's threads; null: it is not installed. */
export function findOpenblasOnOpenmp(): string | null {
  const libraries = '/usr/lib';
  if (process.platform !== 'linux' || !existsSync(libraries)) return null;
  const folders = readdirSync(libraries).map((name) => path.join(libraries, name, 'openblas-openmp'));
  return folders.find((folder) => existsSync(path.join(folder, 'libblas.so.3'))) ?? null;
}

/** Launches the peer's worker process, which reads the files in `folder`. */
export function peerLaunch({ python }: PyTorch, { env }: ThreadSetting, folder: string): Launch {
  return { command: python, args: [script(), folder], env };
}
