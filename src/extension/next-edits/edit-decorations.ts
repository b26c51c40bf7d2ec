import * as vscode from 'vscode';

/** An edit to draw. */
export interface DrawnEdit {
  /** What is replaced. */
  readonly range: vscode.Range;
  readonly newText: string;
  /** What the keys do, at the end of the cursor's line; null: the edit itself is in sight. */
  readonly hint: string | null;
}

/** Characters of the new text that are drawn. */
const longestDrawn = 120;

/** Draws an edit: the old text crossed out, the new text after it, and a hint where the cursor is if the place is out of sight. */
export class EditDecorations implements vscode.Disposable {
  readonly #removed: vscode.TextEditorDecorationType;
  readonly #inserted: vscode.TextEditorDecorationType;
  readonly #hint: vscode.TextEditorDecorationType;

  constructor() {
    const color = (id: string) => new vscode.ThemeColor(id);
    this.#removed = vscode.window.createTextEditorDecorationType({
      backgroundColor: color('diffEditor.removedTextBackground'),
      textDecoration: 'line-through',
      overviewRulerColor: color('editorOverviewRuler.modifiedForeground'),
    });
    this.#inserted = vscode.window.createTextEditorDecorationType({});
    this.#hint = vscode.window.createTextEditorDecorationType({});
  }

  draw(editor: vscode.TextEditor, { range, newText, hint }: DrawnEdit): void {
    const { kind } = vscode.window.activeColorTheme;
    const isContrast = kind === vscode.ColorThemeKind.HighContrast || kind === vscode.ColorThemeKind.HighContrastLight;
    const border = (id: string) => (isContrast ? { border: '1px dashed', borderColor: new vscode.ThemeColor(id) } : {});
    editor.setDecorations(this.#removed, range.isEmpty ? [] : [range]);
    const inserted = {
      range: new vscode.Range(range.end, range.end),
      renderOptions: {
        after: {
          contentText: drawn(newText),
          color: new vscode.ThemeColor('editor.foreground'),
          backgroundColor: new vscode.ThemeColor('diffEditor.insertedTextBackground'),
          ...border('diffEditor.insertedTextBorder'),
        },
      },
    };
    editor.setDecorations(this.#inserted, newText === '' ? [] : [inserted]);
    const end = editor.document.lineAt(editor.selection.active.line).range.end;
    const hinted = {
      range: new vscode.Range(end, end),
      renderOptions: {
        after: {
          contentText: hint ?? '',
          margin: '0 0 0 2em',
          fontStyle: 'italic',
          color: new vscode.ThemeColor('editorGhostText.foreground'),
        },
      },
    };
    editor.setDecorations(this.#hint, hint === null ? [] : [hinted]);
  }

  clear(editor: vscode.TextEditor): void {
    for (const type of [this.#removed, this.#inserted, this.#hint]) editor.setDecorations(type, []);
  }

  dispose(): void {
    for (const type of [this.#removed, this.#inserted, this.#hint]) type.dispose();
  }
}

/** A text on one line, with spaces that are drawn and not collapsed. */
function drawn(text: string): string {
  const line = text.replace(/\r?\n/g, '\u23ce').replace(/\t/g, '    ').replaceAll(' ', '\u00a0');
  return line.length > longestDrawn ? `${line.slice(0, longestDrawn - 1)}\u2026` : line;
}
