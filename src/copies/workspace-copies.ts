import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { messageOf } from '../platform/errors.ts';
import { packageRoot } from '../platform/package-root.ts';
import { CopyIndex } from './copy-index.ts';
import { type CopyCandidate, type CopyQuery, findCopies } from './find-copies.ts';
import type { IndexingRequest, IndexingUpdate } from './indexing-thread.ts';
import { importedFiles, inSameFolder } from './near-files.ts';
import { indexName, longestFile } from './workspace-texts.ts';

/** Milliseconds without another change after which files are read again. */
const settleTime = 1_000;
/** Files that count as recently edited. */
const recentFiles = 10;

/** What the index holds. */
export interface CopiesSummary {
  readonly files: number;
  readonly characters: number;
  /** Whether files are being read. */
  readonly busy: boolean;
  /** What is not read, and why; empty if everything is. */
  readonly problems: readonly string[];
}

/**
 * Copies from the open workspace: keeps an index of its files and of open documents, and answers queries from it. Files are read and
 * sorted in a thread of their own. Nothing is read before `configure`.
 */
export class WorkspaceCopies {
  readonly #index = new CopyIndex();
  /** Open documents by name, and whether the index lacks their current text. */
  readonly #documents = new Map<string, { readonly text: () => string; isStale: boolean }>();
  /** Names of edited files, the most recent last. */
  readonly #recent: string[] = [];
  #folders: readonly string[] = [];
  #problems: readonly string[] = [];
  #worker: Worker | null = null;
  #pending = 0;
  #scanTimer: NodeJS.Timeout | undefined;
  #documentTimer: NodeJS.Timeout | undefined;
  #isEnabled = false;
  #waiting: (() => void)[] = [];

  get summary(): CopiesSummary {
    const { files, characters } = this.#index.size;
    return { files, characters, busy: this.#pending > 0, problems: this.#problems };
  }

  /** Chooses the folders to read; none if copies are off there. With `enabled` false nothing is read, not even open documents. */
  configure({ enabled, folders }: { readonly enabled: boolean; readonly folders: readonly string[] }): void {
    const isSame = enabled === this.#isEnabled && JSON.stringify(folders) === JSON.stringify(this.#folders);
    if (isSame) return;
    this.#isEnabled = enabled;
    this.#folders = enabled ? folders : [];
    if (!enabled) {
      this.#forgetAll();
      return;
    }
    for (const document of this.#documents.values()) document.isStale = true;
    this.#scan();
    this.#sendDocuments();
  }

  /** Files were created, changed or deleted. */
  filesChanged(): void {
    clearTimeout(this.#scanTimer);
    this.#scanTimer = setTimeout(() => this.#scan(), settleTime).unref();
  }

  /** A document was opened or edited. `text` is read when it is indexed. */
  documentChanged(name: string, text: () => string): void {
    if (this.#documents.has(name)) {
      const place = this.#recent.indexOf(name);
      if (place !== -1) this.#recent.splice(place, 1);
      this.#recent.push(name);
      if (this.#recent.length > recentFiles) this.#recent.shift();
    }
    this.#documents.set(name, { text, isStale: true });
    clearTimeout(this.#documentTimer);
    this.#documentTimer = setTimeout(() => this.#sendDocuments(), settleTime).unref();
  }

  /** The file of a closed document is read again, because the document may have been discarded. */
  documentClosed(name: string): void {
    this.#documents.delete(name);
    this.#index.remove(name);
    this.filesChanged();
  }

  /** Candidates at a place. `imports` are those of the document, as it has them. */
  find(query: Omit<CopyQuery, 'isNear'>, imports: readonly string[]): CopyCandidate[] {
    if (!this.#isEnabled) return [];
    const imported = importedFiles(query.name, imports, (name) => this.#index.has(name));
    const isNear = (name: string): boolean =>
      imported.has(name) || inSameFolder(name, query.name) || this.#documents.has(name) || this.#recent.includes(name);
    return findCopies(this.#index, { ...query, isNear });
  }

  /** Lines with a word in other texts of the language of `name`. */
  linesWith(name: string, word: string): { readonly file: string; readonly line: string }[] {
    return this.#isEnabled ? this.#index.linesWith(name, word) : [];
  }

  /** Whether a document is in a folder that is read, and is not read itself: git ignores it, or it holds a secret or data. */
  leavesOut(name: string): boolean {
    const isInFolder = this.#folders.some((folder) => name.startsWith(`${indexName(folder).replace(/\/$/, '')}/`));
    const isKnown = this.#scanTimer === undefined && this.#pending === 0;
    return this.#isEnabled && isInFolder && isKnown && this.#index.size.files > 0 && !this.#index.has(name);
  }

  /** Settles when all files and documents are indexed that were reported before. */
  async settled(): Promise<void> {
    if (this.#scanTimer) this.#scan();
    this.#sendDocuments();
    if (this.#pending === 0) return;
    this.#worker?.ref();
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#worker?.unref();
  }

  async close(): Promise<void> {
    clearTimeout(this.#scanTimer);
    clearTimeout(this.#documentTimer);
    const worker = this.#worker;
    this.#worker = null;
    await worker?.terminate();
    this.#becomeIdle();
  }

  #scan(): void {
    clearTimeout(this.#scanTimer);
    this.#scanTimer = undefined;
    if (!this.#isEnabled) return;
    this.#request({ kind: 'scan', folders: this.#folders, open: [...this.#documents.keys()] });
  }

  #sendDocuments(): void {
    clearTimeout(this.#documentTimer);
    if (!this.#isEnabled) return;
    const stale = [...this.#documents].filter(([, { isStale }]) => isStale);
    if (stale.length === 0) return;
    const texts = stale.map(([name, document]) => {
      document.isStale = false;
      return { name, text: document.text() };
    });
    this.#request({ kind: 'documents', texts: texts.filter(({ text }) => text.length <= longestFile) });
  }

  #request(request: IndexingRequest): void {
    this.#pending++;
    this.#thread().postMessage(request);
  }

  #thread(): Worker {
    this.#worker ??= this.#startThread();
    return this.#worker;
  }

  #startThread(): Worker {
    // A thread needs a separate file, which the build writes next to the program.
    const worker = new Worker(path.join(packageRoot(), 'dist', 'indexing-thread.mjs'), { execArgv: [] });
    worker.on('message', (update: IndexingUpdate) => {
      if (this.#worker === worker) this.#take(update);
    });
    worker.on('error', (error) => this.#failed(worker, messageOf(error)));
    // A listener for messages keeps the process alive, so this comes last.
    worker.unref();
    return worker;
  }

  #take(update: IndexingUpdate): void {
    if (update.kind === 'segment') {
      if (this.#isEnabled) this.#index.add(update.segment);
      return;
    }
    if (update.kind === 'removed') {
      for (const name of update.names) if (!this.#documents.has(name)) this.#index.remove(name);
      return;
    }
    if (update.request === 'scan') this.#problems = update.problems;
    this.#pending--;
    if (this.#pending > 0) return;
    const names = this.#index.fragmented();
    if (names.length > 0) this.#merge(names);
    else this.#becomeIdle();
  }

  #merge(names: readonly string[]): void {
    const isOpen = (name: string) => this.#documents.has(name);
    const open = names.filter(isOpen).map((name) => ({ name, text: this.#documents.get(name)!.text() }));
    if (open.length > 0) this.#request({ kind: 'documents', texts: open });
    this.#request({ kind: 'merge', names: names.filter((name) => !isOpen(name)) });
  }

  /** Without the thread, what was indexed stays; the next change starts another one, which reads everything again. */
  #failed(worker: Worker, why: string): void {
    if (this.#worker !== worker) return;
    this.#worker = null;
    this.#problems = [`The index of the workspace's files stopped (${why}); it starts again when a file changes.`];
    this.#becomeIdle();
  }

  #forgetAll(): void {
    const worker = this.#worker;
    this.#worker = null;
    void worker?.terminate();
    this.#index.clear();
    this.#problems = [];
    this.#becomeIdle();
  }

  #becomeIdle(): void {
    this.#pending = 0;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
