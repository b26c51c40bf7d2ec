import { execFile } from 'node:child_process';
import { realpathSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { messageOf, UserError } from '../platform/errors.ts';
import { findProgram } from '../sandbox/programs.ts';
import type { ShownPath } from '../sandbox/sandbox.ts';

/** A language's program, and what of this machine it must see to work inside of a sandbox. */
export interface Toolchain {
  readonly program: string;
  readonly shown: readonly ShownPath[];
  readonly environment: Readonly<Record<string, string>>;
  /** Tells one installation from another, for caches. */
  readonly version: string;
}

/** The Node that runs this program; where that is VS Code's own, it is told to be Node. */
export function nodeToolchain(): Toolchain {
  const program = realpathSync(process.execPath);
  const folder = path.dirname(program);
  // Node is one file. VS Code's executable needs those around it, which are its installation and nothing else.
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

/** A Python by its path; by default the first `python3` on PATH. Throws a `UserError` where there is none. */
export function pythonToolchain(program = findProgram('python3') ?? findProgram('python')): Promise<Toolchain> {
  if (program === null)
    throw new UserError('Python is needed to run these tests and is not on PATH; install Python 3.');
  let known = pythons.get(program);
  if (!known) {
    known = askPython(program);
    pythons.set(program, known);
  }
  return known;
}

/**
 * What an interpreter, which may be a shim or stand in a virtual environment, says of itself: only the files that are its
 * own, for it may be installed in a folder that holds others, such as ~/.local.
 */
const whereFilesAre = `
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
    const { stdout } = await promisify(execFile)(program, ['-I', '-c', whereFilesAre]);
    const [executable, own, version] = JSON.parse(stdout) as [string, string[], string];
    return {
      program: executable,
      shown: outermost(own).map((host) => ({ host, inside: null })),
      environment: {
        PATH: `${path.dirname(executable)}:/usr/local/bin:/usr/bin:/bin`,
        // Hashing is otherwise salted anew in every process, and a verdict must not depend on that.
        PYTHONHASHSEED: '0',
        PYTHONDONTWRITEBYTECODE: '1',
      },
      version: `python ${version}`,
    };
  } catch (error) {
    throw new UserError(`Python (${program}) does not start (${messageOf(error)}); install it anew.`);
  }
}

/** Without the paths that lie in others of them. */
function outermost(paths: readonly string[]): string[] {
  const unique = [...new Set(paths)];
  return unique.filter((one) => !unique.some((other) => one.startsWith(`${other}/`)));
}
