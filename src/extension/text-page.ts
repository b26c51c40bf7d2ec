import * as vscode from 'vscode';

const scheme = 'unmask';

/** Read-only pages of plain text that commands open; a page with the same title replaces the previous one. */
export class TextPages implements vscode.Disposable {
  readonly #texts = new Map<string, string>();
  readonly #changed = new vscode.EventEmitter<vscode.Uri>();
  readonly #registration = vscode.workspace.registerTextDocumentContentProvider(scheme, {
    onDidChange: this.#changed.event,
    provideTextDocumentContent: (uri) => this.#texts.get(uri.path) ?? '',
  });

  async show(title: string, text: string): Promise<void> {
    const page = vscode.Uri.from({ scheme, path: `/${title}` });
    this.#texts.set(page.path, text);
    this.#changed.fire(page);
    await vscode.window.showTextDocument(await vscode.workspace.openTextDocument(page), { preview: false });
  }

  dispose(): void {
    this.#registration.dispose();
    this.#changed.dispose();
  }
}
