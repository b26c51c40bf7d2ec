import * as vscode from 'vscode';
import type { DocumentReferences } from '../../protocol/next-edits.ts';

/** Milliseconds that the cursor stays on an identifier before its references are looked up. */
const settleTime = 250;
/** References that are sent with a request. */
const mostReferences = 1_000;

/**
 * The references of the identifier that the cursor entered last, as the language's own extension finds them. They are looked up before
 * the identifier is edited, because afterwards it is another one.
 */
export class IdentifierReferences implements vscode.Disposable {
  readonly #listeners: vscode.Disposable;
  /** The version of each document when its selection last changed. */
  readonly #versions = new WeakMap<vscode.TextDocument, number>();
  #known: { readonly document: vscode.TextDocument; readonly references: DocumentReferences } | null = null;
  #timer: NodeJS.Timeout | undefined;

  /** @param isOn whether references of a document are needed */
  constructor(isOn: (document: vscode.TextDocument) => boolean) {
    this.#listeners = vscode.window.onDidChangeTextEditorSelection(({ textEditor, selections }) => {
      const { document } = textEditor;
      const isEdited = this.#versions.has(document) && this.#versions.get(document) !== document.version;
      this.#versions.set(document, document.version);
      clearTimeout(this.#timer);
      const [selection, ...others] = selections;
      // Typing moves the cursor too.
      if (isEdited || !selection || others.length > 0 || !isOn(document)) return;
      this.#timer = setTimeout(() => void this.#find(document, selection.active), settleTime);
    });
  }

  /** References in a document; undefined if none were found. */
  of(document: vscode.TextDocument): DocumentReferences | undefined {
    return this.#known?.document === document ? this.#known.references : undefined;
  }

  dispose(): void {
    clearTimeout(this.#timer);
    this.#listeners.dispose();
  }

  async #find(document: vscode.TextDocument, position: vscode.Position): Promise<void> {
    const { version } = document;
    const word = document.getWordRangeAtPosition(position);
    if (!word || document.isClosed) return;
    const found = await findReferences(document.uri, position);
    if (document.version !== version || document.isClosed) return;
    const name = document.getText(word);
    const ranges = found
      .filter(({ uri, range }) => uri.toString() === document.uri.toString() && document.getText(range) === name)
      .map(({ range: { start, end } }) => ({ start: plain(start), end: plain(end) }));
    // While a rename is half done, the other places of the name refer to nothing, and the earlier references stay useful.
    if (ranges.length > 1) this.#known = { document, references: { version, ranges: ranges.slice(0, mostReferences) } };
  }
}

const plain = ({ line, character }: vscode.Position) => ({ line, character });

/** Empty if no extension finds references in the document, or it fails to. */
async function findReferences(uri: vscode.Uri, position: vscode.Position): Promise<readonly vscode.Location[]> {
  const found = vscode.commands.executeCommand<vscode.Location[] | undefined>(
    'vscode.executeReferenceProvider',
    uri,
    position,
  );
  return Promise.resolve(found).then(
    (locations) => locations ?? [],
    () => [],
  );
}
