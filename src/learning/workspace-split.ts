import path from 'node:path';
import type { IndexedText } from '../copies/segment.ts';
import { contentDigest } from '../platform/content-digest.ts';
import { UserError } from '../platform/errors.ts';
import { languageOf } from '../syntax/trees.ts';

/** The source files of a workspace: most to learn from, and a fifth to measure on. */
export interface WorkspaceSplit {
  readonly training: readonly IndexedText[];
  readonly heldOut: readonly IndexedText[];
}

/** A fifth of the files is held out. */
const part = 5;

/**
 * Splits the files with a grammar by a digest of their path in the workspace, so that a file stays in its part when others change. `heldOut` names
 * the files that are held out instead, relative to the workspace. Throws a `UserError` if there are too few files to hold some out.
 */
export function splitWorkspace(
  workspace: string,
  texts: readonly IndexedText[],
  heldOut?: ReadonlySet<string>,
): WorkspaceSplit {
  const sources = texts.filter(({ name }) => languageOf(name) !== null);
  if (sources.length < part)
    throw new UserError(
      `${workspace} has ${sources.length} source file${sources.length === 1 ? '' : 's'}; learning needs at least ${part}, because a fifth of them measures what was learned.`,
    );
  const digests = new Map(sources.map(({ name }) => [name, contentDigest(relativeName(workspace, name))]));
  const inOrder = [...sources].sort((a, b) => (digests.get(a.name)! < digests.get(b.name)! ? -1 : 1));
  const count = Math.floor(sources.length / part);
  const isHeldOut = heldOut
    ? ({ name }: IndexedText) => heldOut.has(relativeName(workspace, name))
    : (text: IndexedText) => inOrder.indexOf(text) < count;
  return { training: sources.filter((text) => !isHeldOut(text)), heldOut: sources.filter(isHeldOut) };
}

/** A file's path in its workspace, with forward slashes. */
export const relativeName = (workspace: string, name: string): string =>
  path.relative(workspace, name).replaceAll('\\', '/');
