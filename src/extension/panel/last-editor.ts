import * as vscode from 'vscode';

/** The text editor that was active last. While a webview has the focus, VS Code reports no active text editor. */
export class LastEditor implements vscode.Disposable {
  readonly #subscription: vscode.Disposable;
  #editor = vscode.window.activeTextEditor;

  constructor() {
    this.#subscription = vscode.window.onDidChangeActiveTextEditor((editor) => {
      if (editor && editor.document.uri.scheme !== 'output') this.#editor = editor;
    });
  }

  /** Null if there was none or its document is closed. */
  get editor(): vscode.TextEditor | null {
    return this.#editor && !this.#editor.document.isClosed ? this.#editor : null;
  }

  /** Inserts text at its cursor and shows it; false if there is no editor. */
  async insert(text: string): Promise<boolean> {
    const editor = this.editor;
    if (!editor) return false;
    const { document, viewColumn, selection } = editor;
    // If the tab was hidden in the meantime, showing it creates another editor object.
    const shown = await vscode.window.showTextDocument(document, { ...(viewColumn ? { viewColumn } : {}), selection });
    return shown.edit((edit) => edit.replace(selection, text));
  }

  dispose(): void {
    this.#subscription.dispose();
  }
}
