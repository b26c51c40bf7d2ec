import { execFile } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { messageOf, UserError } from '../platform/errors.ts';

/** A Node.js that the runtime can be started with. */
export interface NodeProgram {
  readonly file: string;
  readonly version: string;
  /** Environment variables that it needs in addition to ours. */
  readonly environment: Readonly<Record<string, string>>;
}

const minimumVersion = [20, 19] as const;

/**
 * Lists the Nodes of this machine that are new enough, the best first: only the configured one if there is one, else
 * those on PATH, then VS Code's own. Lazy: a later one is only examined if the earlier ones were rejected.
 *
 * @param configured the setting `unmask.node`; empty if it is not set
 * @throws UserError if the configured Node is missing, is not a Node, or is too old
 */
export async function* findNodes(configured: string, searchPath = process.env.PATH ?? ''): AsyncGenerator<NodeProgram> {
  if (configured.trim() !== '') {
    yield await configuredNode(configured.trim());
    return;
  }
  for (const file of await nodesOnPath(searchPath)) {
    const version = await versionOf(file).catch(() => null);
    if (version !== null && isNewEnough(version)) yield { file, version, environment: {} };
  }
  // The executable of the extension host, started as plain Node. Its version is set by VS Code and already runs us.
  yield { file: process.execPath, version: process.versions.node, environment: { ELECTRON_RUN_AS_NODE: '1' } };
}

async function configuredNode(file: string): Promise<NodeProgram> {
  const setting = `unmask.node is set to ${file}`;
  let version: string;
  try {
    version = await versionOf(file);
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    const why = missing ? 'which does not exist' : `which does not run as Node.js (${messageOf(error)})`;
    throw new UserError(`${setting}, ${why}. Correct or clear the setting.`);
  }
  if (!isNewEnough(version)) {
    throw new UserError(
      `${setting}, which is Node.js ${version}. Set it to Node.js ${minimumVersion.join('.')} or newer, or clear it.`,
    );
  }
  return { file, version, environment: {} };
}

async function nodesOnPath(searchPath: string): Promise<string[]> {
  const name = process.platform === 'win32' ? 'node.exe' : 'node';
  // A relative entry would be resolved against the folder that the editor happens to run in.
  const files = searchPath
    .split(path.delimiter)
    .filter((folder) => path.isAbsolute(folder))
    .map((folder) => path.join(folder, name));
  const found = await Promise.all(
    [...new Set(files)].map((file) =>
      access(file, constants.X_OK).then(
        () => [file],
        () => [],
      ),
    ),
  );
  return found.flat();
}

async function versionOf(file: string): Promise<string> {
  const { stdout } = await promisify(execFile)(file, ['-p', 'process.versions.node'], {
    timeout: 10_000,
    windowsHide: true,
  });
  const version = stdout.trim();
  if (!/^\d+\.\d+\.\d+/.test(version)) throw new Error('it did not print a version');
  return version;
}

function isNewEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > minimumVersion[0] || (major === minimumVersion[0] && minor >= minimumVersion[1]);
}
