import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { messageOf } from '../src/platform/errors.ts';
import { packageRoot } from '../src/platform/package-root.ts';
import type { Launch } from './contestant.ts';

const execute = promisify(execFile);

/** A Python that has PyTorch, with a tuned library for its matrix products. */
export interface PyTorch {
  readonly python: string;
  readonly version: string;
  readonly blas: string;
}

/** Why there is none to compare with, in a few words. */
export interface NoPeer {
  readonly reason: string;
}

/** What brings PyTorch at its best on Debian and Ubuntu; without OpenBLAS it multiplies by the slow reference BLAS. */
const debianPackages = ['python3-torch', 'libopenblas0-pthread'];
const howToInstall = `install ${debianPackages.join(' and ')} on Debian or Ubuntu, or PyTorch by pip, and name its Python by --python`;

const script = (): string => path.join(packageRoot(), 'bench', 'pytorch.py');

const description = z.object({ version: z.string(), blas: z.string() });

/** What `pytorch.py --describe` printed; null where it printed something else. */
export function parseDescription(output: string): z.infer<typeof description> | null {
  try {
    return description.safeParse(JSON.parse(output.trim().split('\n').at(-1) ?? '')).data ?? null;
  } catch {
    return null;
  }
}

/** Looks for PyTorch in the Python that was named, else in those that a system usually has. */
export async function findPyTorch(python?: string): Promise<PyTorch | NoPeer> {
  const candidates = python === undefined ? ['python3', '/usr/bin/python3', 'python'] : [python];
  const reasons: string[] = [];
  for (const candidate of candidates) {
    const found = await describe(candidate);
    if (!('reason' in found) && !isSlow(found.blas)) return found;
    reasons.push('reason' in found ? found.reason : `its BLAS is the slow reference one, ${found.blas}`);
  }
  // The last candidates are only guesses; the most telling reason is of one that has PyTorch.
  const reason = reasons.find((text) => text.includes('BLAS')) ?? reasons[0];
  return { reason: `${reason}; ${howToInstall}` };
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

/** The reference BLAS calls itself libblas, without a name of its own. */
const isSlow = (blas: string): boolean => /^lib(c?blas)\b/.test(blas);

/** Installs PyTorch and OpenBLAS where that can be done without asking: as root on a Debian system. */
export async function installPyTorch(progress: (line: string) => void): Promise<NoPeer | null> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return { reason: 'installing it needs root on Linux' };
  try {
    progress(`Installing ${debianPackages.join(' and ')} as the peer to compare with.`);
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

/** How many threads PyTorch's own operators (OpenMP) and its matrix products (OpenBLAS) use. */
export interface ThreadSetting {
  readonly openmp: number;
  readonly blas: number;
  /** Whether OpenMP's idle threads sleep, so that those of OpenBLAS get the cores. */
  readonly passive: boolean;
}

export const oneThread: ThreadSetting = { openmp: 1, blas: 1, passive: false };

/** The settings that PyTorch is tried at; the best one for each work is what is compared with. */
export function threadSettings(cores: number): ThreadSetting[] {
  if (cores === 1) return [oneThread];
  return [
    oneThread,
    { openmp: cores, blas: 1, passive: false },
    { openmp: 1, blas: cores, passive: false },
    { openmp: cores, blas: cores, passive: false },
    { openmp: cores, blas: cores, passive: true },
  ];
}

export function describeSetting({ openmp, blas, passive }: ThreadSetting): string {
  return `OMP ${openmp}${passive ? ' passive' : ''}, BLAS ${blas}`;
}

/** The peer's worker process; it reads what lies in `folder`. */
export function peerLaunch({ python }: PyTorch, { openmp, blas, passive }: ThreadSetting, folder: string): Launch {
  const env = {
    OMP_NUM_THREADS: `${openmp}`,
    OPENBLAS_NUM_THREADS: `${blas}`,
    MKL_NUM_THREADS: `${blas}`,
    ...(passive ? { OMP_WAIT_POLICY: 'PASSIVE' } : {}),
  };
  return { command: python, args: [script(), folder], env };
}
