import * as vscode from 'vscode';

/** The text editor that was active last: a page that has the focus is no text editor, and still is about one. */
export class LastEditor implements vscode.Disposable {
  readonly #subscription: vscode.Disposable;
  #editor = vscode.window.activeTextEditor;

  constructor() {
    this.#subscription = vscode.window.onDidChangeActiveTextEditor((editor) => {
      if (editor && editor.document.uri.scheme !== 'output') this.#editor = editor;
    });
  }

  /** Null where there was none, or its document is closed. */
  get editor(): vscode.TextEditor | null {
    return this.#editor && !this.#editor.document.isClosed ? this.#editor : null;
  }

  /** Inserts at its cursor and shows it; false where there is none. */
  async insert(text: string): Promise<boolean> {
    const editor = this.editor;
    if (!editor) return false;
    const { document, viewColumn, selection } = editor;
    // One whose tab was hidden meanwhile is another object when it is shown again.
    const shown = await vscode.window.showTextDocument(document, { ...(viewColumn ? { viewColumn } : {}), selection });
    return shown.edit((edit) => edit.replace(selection, text));
  }

  dispose(): void {
    this.#subscription.dispose();
  }
}
