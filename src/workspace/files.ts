import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, realpath } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { messageOf, UserError } from '../platform/errors.ts';
import { dataHome } from '../platform/files.ts';
import { findProgram } from '../sandbox/programs.ts';

/** A workspace with more files than this is not copied for every run of its tests. */
const mostFiles = 20_000;

/** Folders that are made and not written. */
const made = new Set(['node_modules', '__pycache__', 'dist', 'build', 'target', 'coverage', 'venv']);

/**
 * The files of a workspace that are its own, relative to it, with forward slashes and sorted: those that git does not
 * ignore, less those whose name says that they hold a secret, and links to anything but these. Throws a `UserError` where
 * that cannot be told, or where there are too many.
 */
export async function workspaceFiles(root: string): Promise<string[]> {
  const entries = await readdir(root).catch((error: unknown) => {
    throw new UserError(`The workspace ${root} cannot be read (${messageOf(error)}); check the path.`);
  });
  const all =
    entries.includes('.gitignore') || isBelowGit(await realpath(root)) ? await gitFiles(root) : await walk(root);
  const own = all.filter((file) => !hasSecretName(file) && !file.split('/').some((part) => made.has(part))).sort();
  if (own.length > mostFiles)
    throw new UserError(
      `${root} has ${own.length} files, more than the ${mostFiles} that can be copied for a run of tests; give a folder inside of it.`,
    );
  return withoutWaysOut(root, own);
}

/** Whether a folder, or one that it lies in, has a repository, whose rules hold in all of its folders. */
function isBelowGit(folder: string): boolean {
  if (existsSync(path.join(folder, '.git'))) return true;
  const parent = path.dirname(folder);
  return parent !== folder && isBelowGit(parent);
}

/** The files without those that are links, or lie behind links, to something that is not itself among them. */
async function withoutWaysOut(root: string, files: readonly string[]): Promise<string[]> {
  const place = await realpath(root);
  const inside = files.map((file) => path.join(place, file)).filter((file) => file.startsWith(path.join(place, '/')));
  const own = new Set(inside);
  const targets = await Promise.all(files.map((file) => realpath(path.join(place, file)).catch(() => '')));
  return files.filter((_, index) => own.has(targets[index] as string));
}

/** Git is asked for its rules. */
async function gitFiles(root: string): Promise<string[]> {
  const program = findProgram('git');
  if (program === null)
    throw new UserError(
      `${root} has rules for git that say which files are private, and git is not installed; install git.`,
    );
  const git = gitThatRunsNothing(program, root);
  try {
    // Rules without a repository, or of a folder that its repository ignores as a whole, are read by a git that compares with
    // an empty one.
    const succeeds = (...args: readonly string[]) =>
      git(...args).then(
        () => true,
        () => false,
      );
    const isPartOfOne =
      (await succeeds('rev-parse', '--is-inside-work-tree')) && !(await succeeds('check-ignore', '--quiet', '.'));
    const place = isPartOfOne ? [] : ['--git-dir', await emptyRepository(git), '--work-tree', root];
    const listed = await git(...place, 'ls-files', '-z', '--cached', '--others', '--exclude-standard');
    // Listed once per stage where a merge is under way; and a deleted file is listed until that is committed.
    return [...new Set(listed.split('\0'))].filter((file) => file !== '' && existsSync(path.join(root, file)));
  } catch (error) {
    throw new UserError(
      `git cannot list the files of ${root} (${messageOf(error).split('\n')[0]}); mend the repository.`,
    );
  }
}

type Git = (...args: readonly string[]) => Promise<string>;

/** Git in a folder, kept from running anything that a repository configures: monitors, hooks, and what fetches objects. */
function gitThatRunsNothing(program: string, root: string): Git {
  const settings = ['-c', 'core.fsmonitor=false', '-c', 'core.hooksPath=/dev/null', '-c', 'safe.directory=*'];
  // No protocol has the name; an older git knows no other way not to fetch what a repository says it lacks.
  const env = { ...process.env, GIT_ALLOW_PROTOCOL: 'none', GIT_NO_LAZY_FETCH: '1', GIT_TERMINAL_PROMPT: '0' };
  return async (...args) =>
    (await promisify(execFile)(program, [...settings, ...args], { cwd: root, env, maxBuffer: 2 ** 28 })).stdout;
}

/** A repository without a file, in the data home; made once. */
async function emptyRepository(git: Git): Promise<string> {
  const folder = path.join(dataHome(), 'cache', 'empty-repository');
  if (!existsSync(path.join(folder, 'HEAD'))) await git('init', '--quiet', '--bare', folder);
  return folder;
}

async function walk(root: string, folder = ''): Promise<string[]> {
  const files: string[] = [];
  for (const entry of await readdir(path.join(root, folder), { withFileTypes: true })) {
    const name = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory() && !made.has(entry.name) && !entry.name.startsWith('.'))
      files.push(...(await walk(root, name)));
    else if (entry.isFile()) files.push(name);
    if (files.length > 10 * mostFiles) break;
  }
  return files;
}

const secretNames =
  /^(\.env(\..*)?|\.npmrc|\.netrc|\.pypirc|\.htpasswd|id_(rsa|dsa|ecdsa|ed25519)|.*\.(pem|key|p12|pfx|jks|keystore|kdbx)|(credentials|secrets?)(\.(json|ya?ml|toml|ini|env|txt))?)$/i;

/** Whether a file's name says that it holds a secret. */
export const hasSecretName = (file: string): boolean => secretNames.test(path.posix.basename(file));

const secretTexts =
  /-----BEGIN [A-Z ]*PRIVATE KEY-----|\b(AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{50,}|xox[abprs]-[\w-]{10,}|sk-[A-Za-z0-9_-]{32,}|AIza[\w-]{35})\b/;

/** Whether a text holds what looks like a key. */
export const hasSecret = (text: string): boolean => secretTexts.test(text);
