import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
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
 * ignore, less those whose name says that they hold a secret. Throws a `UserError` where that cannot be told, or where
 * there are too many.
 */
export async function workspaceFiles(root: string): Promise<string[]> {
  const entries = await readdir(root).catch((error: unknown) => {
    throw new UserError(`The workspace ${root} cannot be read (${messageOf(error)}); check the path.`);
  });
  const all =
    existsSync(path.join(root, '.git')) || entries.includes('.gitignore') ? await gitFiles(root) : await walk(root);
  const own = all.filter((file) => !hasSecretName(file) && !file.split('/').some((part) => made.has(part))).sort();
  if (own.length > mostFiles)
    throw new UserError(
      `${root} has ${own.length} files, more than the ${mostFiles} that can be copied for a run of tests; give a folder inside of it.`,
    );
  return own;
}

/** Git is asked for its rules, and kept from running anything that the workspace configures. */
async function gitFiles(root: string): Promise<string[]> {
  const git = findProgram('git');
  if (git === null)
    throw new UserError(
      `${root} has rules for git that say which files are private, and git is not installed; install git.`,
    );
  const settings = ['-c', 'core.fsmonitor=false', '-c', 'core.hooksPath=/dev/null', '-c', 'safe.directory=*'];
  const list = ['ls-files', '-z', '--cached', '--others', '--exclude-standard'];
  try {
    // Rules without a repository are read by a git that compares with an empty one.
    const place = (await isInRepository(git, root))
      ? []
      : ['--git-dir', await emptyRepository(git), '--work-tree', root];
    const { stdout } = await promisify(execFile)(git, [...settings, ...place, ...list], {
      cwd: root,
      maxBuffer: 2 ** 28,
    });
    // Listed once per stage where a merge is under way; and a deleted file is listed until that is committed.
    return [...new Set(stdout.split('\0'))].filter((file) => file !== '' && existsSync(path.join(root, file)));
  } catch (error) {
    throw new UserError(
      `git cannot list the files of ${root} (${messageOf(error).split('\n')[0]}); mend the repository.`,
    );
  }
}

async function isInRepository(git: string, root: string): Promise<boolean> {
  const asked = ['-c', 'safe.directory=*', 'rev-parse', '--is-inside-work-tree'];
  return promisify(execFile)(git, asked, { cwd: root }).then(
    () => true,
    () => false,
  );
}

/** A repository without a file, in the data home; made once. */
async function emptyRepository(git: string): Promise<string> {
  const folder = path.join(dataHome(), 'cache', 'empty-repository');
  if (!existsSync(path.join(folder, 'HEAD'))) await promisify(execFile)(git, ['init', '--quiet', '--bare', folder]);
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
