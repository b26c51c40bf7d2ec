import { execFile } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { messageOf, UserError } from '../platform/errors.ts';
import { dataHome } from '../platform/files.ts';
import { findProgram } from '../sandbox/programs.ts';
import type { ShownPath } from '../sandbox/sandbox.ts';

/** A language's program, and the paths of this machine that it needs inside a sandbox. */
export interface Toolchain {
  readonly program: string;
  readonly shown: readonly ShownPath[];
  readonly environment: Readonly<Record<string, string>>;
  /** Identifies the installation, for caches. */
  readonly version: string;
}

/** The Node that runs this program. If it is VS Code's executable, an environment variable makes it act as Node. */
export function nodeToolchain(): Toolchain {
  const program = realpathSync(process.execPath);
  const folder = path.dirname(program);
  // Node is a single file. VS Code's executable also needs its installation folder, which contains nothing else.
  const needed = process.versions.electron === undefined ? program : folder;
  return {
    program,
    shown: [{ host: needed, inside: null }],
    environment: {
      PATH: `${folder}:/usr/local/bin:/usr/bin:/bin`,
      ...(process.versions.electron === undefined ? {} : { ELECTRON_RUN_AS_NODE: '1' }),
    },
    version: `node ${process.versions.node}`,
  };
}

const pythons = new Map<string, Promise<Toolchain>>();

export const pythonOnPath = (): string | null => findProgram('python3') ?? findProgram('python');

/** A Python interpreter by its path; by default the first `python3` on PATH. Throws a `UserError` if there is none. */
export function pythonToolchain(program = pythonOnPath()): Promise<Toolchain> {
  if (program === null) throw new UserError('These tests need Python, which is not on PATH; install Python 3.');
  let known = pythons.get(program);
  if (!known) {
    known = askPython(program);
    pythons.set(program, known);
  }
  return known;
}

/**
 * Prints what an interpreter, which may be a shim or in a virtual environment, reports about itself. Only its own
 * files are listed, because it may be installed in a folder with other files, such as ~/.local.
 */
const interpreterScript = `
import json, os, sys, sysconfig
own = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
own += [sys.executable, os.path.join(sys.prefix, "pyvenv.cfg")]
library = sysconfig.get_config_var("INSTSONAME") or ""
if library.startswith("libpython"):
    own.append(os.path.join(sysconfig.get_config_var("LIBDIR") or "", library))
print(json.dumps([sys.executable, [path for path in own if os.path.exists(path)], sys.version]))
`;

async function askPython(program: string): Promise<Toolchain> {
  try {
    // Version managers choose by files of the current folder, so it must not be the workspace's.
    const { stdout } = await promisify(execFile)(program, ['-I', '-c', interpreterScript], {
      cwd: path.parse(program).root,
    });
    const [executable, own, version] = JSON.parse(stdout) as [string, string[], string];
    return {
      program: executable,
      shown: outermost(own).map((host) => ({ host, inside: null })),
      environment: {
        PATH: `${path.dirname(executable)}:/usr/local/bin:/usr/bin:/bin`,
        // Otherwise each process has another hash seed, and a verdict must not depend on that.
        PYTHONHASHSEED: '0',
        PYTHONDONTWRITEBYTECODE: '1',
      },
      version: `python ${version}`,
    };
  } catch (error) {
    throw new UserError(`Python (${program}) does not start (${messageOf(error)}); reinstall it.`);
  }
}

/**
 * The Python of a virtual environment in a workspace. Its program may be anything, and its packages can run code
 * whenever Python starts, so nothing of it runs outside the sandbox. Instead, the installed Python that it links to
 * is queried, and the environment is shown in addition. Throws a `UserError` if it does not link to an installed
 * Python.
 */
export async function environmentToolchain(root: string, program: string): Promise<Toolchain> {
  const base = realpathSync(program);
  // No link inside the environment may lead out of it.
  const folder = path.dirname(path.dirname(program));
  const own = (...parts: readonly string[]): string[] => {
    const host = path.join(folder, ...parts);
    return existsSync(host) && realpathSync(host) === path.join(realpathSync(folder), ...parts) ? [host] : [];
  };
  const settings = own('pyvenv.cfg');
  if (isInside(root, base) || !isInstalledPython(base) || settings.length === 0)
    throw new UserError(
      `${program} is ${base}${settings.length === 0 ? ' without a pyvenv.cfg' : ''}, not a link to an installed Python, so it may be any program and is not run; recreate the environment (python3 -m venv --clear ${folder}) or remove the folder.`,
    );
  const { shown, environment, version } = await pythonToolchain(base);
  const packages = own('lib', `python${/^python (\d+\.\d+)/.exec(version)?.[1]}`, 'site-packages');
  return {
    program,
    shown: [...shown, ...[program, ...settings, ...packages].map((host) => ({ host, inside: null }))],
    environment: { ...environment, PATH: `${path.dirname(program)}:${environment.PATH}` },
    version,
  };
}

/** Folders of Python installations in addition to PATH: the system's, and those of per-user installers. */
const installations = [
  ...['/usr', '/opt', '/nix', '/Library'],
  ...['asdf', 'conda', 'local', 'pixi', 'proto', 'pyenv', 'rye'].map((name) => path.join(homedir(), `.${name}`)),
];

/** Whether a program, after following links, is a Python installed on this machine. */
function isInstalledPython(program: string): boolean {
  const name = path.basename(program);
  if (!/^python(\d+(\.\d+)?)?$/.test(name)) return false;
  if (installations.some((folder) => isInside(folder, program))) return true;
  const onPath = ['python3', 'python', name].map((called) => findProgram(called));
  return onPath.some((found) => found !== null && realpathSync(found) === program);
}

/** Whether an existing path is a folder or inside it, after following links. */
export function isInside(folder: string, file: string): boolean {
  const real = (location: string) => path.join(realpathSync(location), '/');
  return existsSync(folder) && real(file).startsWith(real(folder));
}

/** Go, with a cache of the standard packages that the tests of a workspace need. */
export interface GoToolchain extends Toolchain {
  readonly cache: string;
}

/**
 * The `go` on PATH. It compiles its standard packages, which no workspace changes, once and outside the sandbox.
 * Nothing of the workspace is compiled or run here. Throws a `UserError` if there is no Go, or if it cannot read the
 * workspace.
 */
export async function goToolchain(root: string): Promise<GoToolchain> {
  const program = findProgram('go');
  if (program === null) throw new UserError('These tests need Go, which is not on PATH; install Go.');
  const cache = path.join(dataHome(), 'cache', 'go-build');
  // No other toolchain and no module is fetched. Version control, which the workspace configures, is not run.
  const offline = { GOTOOLCHAIN: 'local', GOPROXY: 'off', GOFLAGS: '-buildvcs=false' };
  const go = async (...args: readonly string[]) => {
    const env = { ...process.env, ...offline, GOCACHE: cache };
    return (await promisify(execFile)(program, args, { cwd: root, env, maxBuffer: 2 ** 26 })).stdout;
  };
  try {
    await mkdir(cache, { recursive: true });
    const found = JSON.parse(await go('env', '-json', 'GOROOT', 'GOVERSION', 'GOMODCACHE')) as Record<string, string>;
    const { GOROOT = '', GOVERSION, GOMODCACHE = '' } = found;
    const needed = await go('list', '-deps', '-test', '-f', '{{if .Standard}}{{.ImportPath}}{{end}}', './...');
    const own = needed.split('\n').filter((name) => name !== '' && name !== 'unsafe' && !name.includes(' '));
    await go('build', ...own);
    return {
      program,
      cache,
      shown: [GOROOT, GOMODCACHE].filter((host) => existsSync(host)).map((host) => ({ host, inside: null })),
      environment: {
        ...offline,
        PATH: `${GOROOT}/bin:/usr/local/bin:/usr/bin:/bin`,
        GOROOT,
        GOMODCACHE,
        GOPATH: '/tmp/go',
        GOCACHE: '/tmp/go-build',
      },
      version: `${GOVERSION}`,
    };
  } catch (error) {
    throw new UserError(
      `Go cannot read ${root} (${messageOf(error).split('\n').slice(0, 3).join(' ')}); fix the module and try again.`,
    );
  }
}

/** The `cargo` on PATH and its compiler. Throws a `UserError` if there is none. */
export async function cargoToolchain(): Promise<Toolchain> {
  const [cargo, rustc] = ['cargo', 'rustc'].map((name) => findProgram(name));
  if (!cargo || !rustc) throw new UserError('These tests need Cargo, which is not on PATH; install Rust.');
  // The program on PATH may be a version manager that chooses a toolchain by files of the current folder. It must not
  // read the workspace's, which may name any program.
  const ask = async (...args: readonly string[]) =>
    (await promisify(execFile)(rustc, args, { cwd: path.parse(rustc).root })).stdout.trim();
  const sysroot = await ask('--print', 'sysroot');
  const registry = path.join(process.env.CARGO_HOME ?? path.join(homedir(), '.cargo'), 'registry');
  return {
    program: path.join(sysroot, 'bin', 'cargo'),
    shown: [
      { host: sysroot, inside: null },
      ...(existsSync(registry) ? [{ host: registry, inside: 'tmp/cargo/registry' }] : []),
    ],
    environment: {
      PATH: `${sysroot}/bin:/usr/local/bin:/usr/bin:/bin`,
      CARGO_HOME: '/tmp/cargo',
      CARGO_TARGET_DIR: '/tmp/target',
      CARGO_INCREMENTAL: '0',
      CARGO_PROFILE_TEST_DEBUG: '0',
      CARGO_PROFILE_DEV_DEBUG: '0',
      // The JSON report is unstable in Rust, which requires this variable to allow it.
      RUSTC_BOOTSTRAP: '1',
    },
    version: await ask('--version'),
  };
}

/** The paths without those inside another one. */
function outermost(paths: readonly string[]): string[] {
  const unique = [...new Set(paths)];
  return unique.filter((one) => !unique.some((other) => one.startsWith(`${other}/`)));
}
