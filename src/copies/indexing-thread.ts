import { parentPort } from 'node:worker_threads';
import { messageOf } from '../platform/errors.ts';
import { hasSecretName } from '../workspace/files.ts';
import { buildSegment, groupsOf, type IndexedText, type Segment } from './segment.ts';
import { type FileVersion, isCopyable, listTexts, readText } from './workspace-texts.ts';

/** Main thread to indexing thread. */
export type IndexingRequest =
  /** Read the files of the folders that changed since the last scan. `open` documents come from the editor instead. */
  | { readonly kind: 'scan'; readonly folders: readonly string[]; readonly open: readonly string[] }
  /** Index the texts of open documents. */
  | { readonly kind: 'documents'; readonly texts: readonly IndexedText[] }
  /** Read these files again and index them together. */
  | { readonly kind: 'merge'; readonly names: readonly string[] };

/** Indexing thread to main thread. */
export type IndexingUpdate =
  | { readonly kind: 'segment'; readonly segment: Segment }
  | { readonly kind: 'removed'; readonly names: readonly string[] }
  /** A request was carried out. After a scan, `problems` says what was not read and why. */
  | { readonly kind: 'done'; readonly request: IndexingRequest['kind']; readonly problems: readonly string[] };

/** The thread that reads and sorts texts, so that completions never wait for it. The sorted segments belong to the main thread. */
const port = parentPort;
if (!port) throw new Error('The indexing thread was started as a program.');

const known = new Map<string, FileVersion>();
/** All files of the last scan, and its folders. */
let listed: ReadonlySet<string> = new Set();
let folders: readonly string[] = [];

let queue: Promise<void> = Promise.resolve();
port.on('message', (request: IndexingRequest) => {
  queue = queue.then(async () => {
    let problems: string[] = [];
    try {
      problems = await carryOut(request);
    } catch (error) {
      problems = [`The files of the workspace could not be read: ${messageOf(error)}`];
    }
    send({ kind: 'done', request: request.kind, problems });
  });
});

async function carryOut(request: IndexingRequest): Promise<string[]> {
  if (request.kind === 'scan') return scan(request);
  if (request.kind === 'documents') sendSegments(request.texts.filter(isOwnDocument));
  else sendSegments(await readAll(request.names));
  return [];
}

async function scan(request: Extract<IndexingRequest, { kind: 'scan' }>): Promise<string[]> {
  const { files, problems } = await listTexts(request.folders);
  const open = new Set(request.open);
  listed = new Set(files.map(({ name }) => name));
  ({ folders } = request);
  const gone = [...known.keys()].filter((name) => !listed.has(name));
  for (const name of [...gone, ...open]) known.delete(name);
  if (gone.length > 0) send({ kind: 'removed', names: gone });
  const changed = files.filter(({ name, modified, size }) => {
    const before = known.get(name);
    return !open.has(name) && (before?.modified !== modified || before.size !== size);
  });
  const removed: string[] = [];
  let texts: IndexedText[] = [];
  let characters = 0;
  for (const { name, modified, size } of changed) {
    known.set(name, { modified, size });
    const text = await readText(name);
    if (text) texts.push(text);
    else removed.push(name);
    characters += size;
    // A large workspace can be used before it is read as a whole.
    if (characters > 4_000_000) {
      sendSegments(texts);
      [texts, characters] = [[], 0];
    }
  }
  sendSegments(texts);
  if (removed.length > 0) send({ kind: 'removed', names: removed });
  return problems;
}

async function readAll(names: readonly string[]): Promise<IndexedText[]> {
  const texts: IndexedText[] = [];
  for (const name of names) {
    const text = await readText(name);
    if (text) texts.push(text);
  }
  return texts;
}

/** An open document of a folder is indexed only if its file would be: not if git ignores it. */
function isOwnDocument({ name, text }: IndexedText): boolean {
  const isInFolder = folders.some((folder) => name.startsWith(`${folder.replaceAll('\\', '/').replace(/\/$/, '')}/`));
  return !hasSecretName(name) && isCopyable(text) && (!isInFolder || listed.size === 0 || listed.has(name));
}

function sendSegments(texts: readonly IndexedText[]): void {
  for (const group of groupsOf(texts)) send({ kind: 'segment', segment: buildSegment(group) });
}

function send(update: IndexingUpdate): void {
  const buffers =
    update.kind === 'segment'
      ? [update.segment.bytes, update.segment.lineStarts, update.segment.indents, update.segment.order].map(
          ({ buffer }) => buffer as ArrayBuffer,
        )
      : [];
  port?.postMessage(update, buffers);
}
