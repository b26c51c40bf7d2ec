import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, realpath } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { messageOf, UserError } from '../platform/errors.ts';
import { dataHome } from '../platform/files.ts';
import { findProgram } from '../sandbox/programs.ts';

/** A workspace with more files than this is not copied for every test run. */
const maxFiles = 20_000;

/** Folders whose content is generated. */
const generatedFolders = new Set(['node_modules', '__pycache__', 'dist', 'build', 'target', 'coverage', 'venv']);

/**
 * The workspace's own files, relative to it, with forward slashes and sorted. Files that git ignores, files whose
 * name suggests a secret, and links to anything outside this list are left out. Throws a `UserError` if the list
 * cannot be determined or is too long.
 */
export async function workspaceFiles(root: string): Promise<string[]> {
  const entries = await readdir(root).catch((error: unknown) => {
    throw new UserError(`The workspace ${root} cannot be read (${messageOf(error)}); check the path.`);
  });
  const all =
    entries.includes('.gitignore') || isInRepository(await realpath(root)) ? await gitFiles(root) : await walk(root);
  // A virtual environment may have any name.
  const environments = all.filter((file) => file.endsWith('/pyvenv.cfg')).map((file) => path.posix.dirname(file));
  const own = all
    .filter((file) => !hasSecretName(file) && !file.split('/').some((part) => generatedFolders.has(part)))
    .filter((file) => !environments.some((folder) => file.startsWith(`${folder}/`)))
    .sort();
  if (own.length > maxFiles)
    throw new UserError(
      `${root} has ${own.length} files, more than the ${maxFiles} that can be copied for a test run; choose a subfolder.`,
    );
  return withoutEscapingLinks(root, own);
}

/** Whether a folder or one of its parents is a repository, whose ignore rules apply to all its folders. */
function isInRepository(folder: string): boolean {
  if (existsSync(path.join(folder, '.git'))) return true;
  const parent = path.dirname(folder);
  return parent !== folder && isInRepository(parent);
}

/** The files, without links that lead outside the list and without files reached through such links. */
async function withoutEscapingLinks(root: string, files: readonly string[]): Promise<string[]> {
  const location = await realpath(root);
  const inside = files
    .map((file) => path.join(location, file))
    .filter((file) => file.startsWith(path.join(location, '/')));
  const own = new Set(inside);
  const targets = await Promise.all(files.map((file) => realpath(path.join(location, file)).catch(() => '')));
  return files.filter((_, index) => own.has(targets[index] as string));
}

/** Asks git for the files that it does not ignore. */
async function gitFiles(root: string): Promise<string[]> {
  const program = findProgram('git');
  if (program === null)
    throw new UserError(
      `${root} has .gitignore files, and reading them needs git, which is not installed; install git.`,
    );
  const git = safeGit(program, root);
  try {
    // If there is no repository, or if it ignores the folder as a whole, git reads the ignore files relative to an
    // empty repository.
    const succeeds = (...args: readonly string[]) =>
      git(...args).then(
        () => true,
        () => false,
      );
    const isPartOfOne =
      (await succeeds('rev-parse', '--is-inside-work-tree')) && !(await succeeds('check-ignore', '--quiet', '.'));
    const location = isPartOfOne ? [] : ['--git-dir', await emptyRepository(git), '--work-tree', root];
    const listed = await git(...location, 'ls-files', '-z', '--cached', '--others', '--exclude-standard');
    // During a merge, git lists a file once per stage, and it lists deleted files until the deletion is committed.
    const files = [...new Set(listed.split('\0'))].filter((file) => file !== '' && existsSync(path.join(root, file)));
    return [...files, ...(await generatedVersions(files, (...args) => git(...location, 'ls-files', '-z', ...args)))];
  } catch (error) {
    throw new UserError(
      `git cannot list the files of ${root} (${messageOf(error).split('\n')[0]}); repair the repository.`,
    );
  }
}

/**
 * The modules with a Python package's version that its build writes next to its other modules. Git ignores them, but the package
 * cannot be imported without them.
 */
async function generatedVersions(files: readonly string[], list: Git): Promise<string[]> {
  const folders = new Set(files.filter((file) => file.endsWith('/__init__.py')).map(path.posix.dirname));
  if (folders.size === 0) return [];
  const ignored = ['--others', '--ignored', '--exclude-standard', '--', ':(glob)**/_version.py'];
  return (await list(...ignored)).split('\0').filter((file) => folders.has(path.posix.dirname(file)));
}

type Git = (...args: readonly string[]) => Promise<string>;

/**
 * Runs git in a folder without executing anything that a repository configures: monitors, hooks, and programs that
 * fetch objects.
 */
function safeGit(program: string, root: string): Git {
  const settings = ['-c', 'core.fsmonitor=false', '-c', 'core.hooksPath=/dev/null', '-c', 'safe.directory=*'];
  // No protocol has this name. Older versions of git have no other way to prevent lazy fetches.
  const env = { ...process.env, GIT_ALLOW_PROTOCOL: 'none', GIT_NO_LAZY_FETCH: '1', GIT_TERMINAL_PROMPT: '0' };
  return async (...args) =>
    (await promisify(execFile)(program, [...settings, ...args], { cwd: root, env, maxBuffer: 2 ** 28 })).stdout;
}

/** An empty repository in the data home, created once. */
async function emptyRepository(git: Git): Promise<string> {
  const folder = path.join(dataHome(), 'cache', 'empty-repository');
  if (!existsSync(path.join(folder, 'HEAD'))) await git('init', '--quiet', '--bare', folder);
  return folder;
}

async function walk(root: string, folder = ''): Promise<string[]> {
  const files: string[] = [];
  for (const entry of await readdir(path.join(root, folder), { withFileTypes: true })) {
    const name = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory() && !generatedFolders.has(entry.name) && !entry.name.startsWith('.'))
      files.push(...(await walk(root, name)));
    else if (entry.isFile()) files.push(name);
    if (files.length > 10 * maxFiles) break;
  }
  return files;
}

const secretNames =
  /^(\.env(\..*)?|\.npmrc|\.netrc|\.pypirc|\.htpasswd|id_(rsa|dsa|ecdsa|ed25519)|.*\.(pem|key|p12|pfx|jks|keystore|kdbx)|(credentials|secrets?)(\.(json|ya?ml|toml|ini|env|txt))?)$/i;

/** Whether a file's name suggests that it holds a secret. */
export const hasSecretName = (file: string): boolean => secretNames.test(path.posix.basename(file));

const secretTexts =
  /-----BEGIN [A-Z ]*PRIVATE KEY-----|\b(AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{50,}|xox[abprs]-[\w-]{10,}|sk-[A-Za-z0-9_-]{32,}|AIza[\w-]{35})\b/;

/** Whether a text contains what looks like a key. */
export const hasSecret = (text: string): boolean => secretTexts.test(text);
