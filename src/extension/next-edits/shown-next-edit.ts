import * as vscode from 'vscode';
import type { NextEdit } from '../../protocol/next-edits.ts';
import { minimalEdit, type TextEdit } from '../../protocol/text-edit.ts';
import { commands } from '../contributions.ts';
import { EditDecorations } from './edit-decorations.ts';
import { ghostTextOf } from './ghost-text.ts';

/** The context key of the keys Tab and Esc. */
const visibleKey = 'unmask.nextEditVisible';

/** The command that VS Code runs when a next edit that it shows as ghost text is accepted. package.json does not declare it. */
const ghostAcceptedCommand = 'unmask.nextEditAccepted';

/** An edit that is shown in an editor, with what it changes of the document. */
interface Shown {
  readonly editor: vscode.TextEditor;
  readonly edit: NextEdit;
  readonly change: TextEdit;
}

/**
 * The next edit that is shown: as ghost text if the cursor is at its place and it only inserts, otherwise by decorations. It disappears with
 * the next change of its document, and is applied to the version that it was made for or not at all.
 */
export class ShownNextEdit implements vscode.Disposable {
  readonly #decorations = new EditDecorations();
  readonly #status = vscode.window.createStatusBarItem('unmask.nextEdit', vscode.StatusBarAlignment.Right, 101);
  readonly #disposables: vscode.Disposable[];
  #shown: Shown | null = null;
  #ghost: TextEdit | null = null;

  /** @param accepted is called after an edit was applied */
  constructor(selector: vscode.DocumentSelector, accepted: () => void) {
    this.#status.name = 'Unmask: Next Edit';
    this.#status.command = commands.acceptNextEdit;
    this.#disposables = [
      this.#decorations,
      this.#status,
      vscode.commands.registerCommand(commands.dismissNextEdit, () => this.clear()),
      vscode.commands.registerCommand(commands.acceptNextEdit, async () => {
        if (await this.#goOrAccept()) accepted();
      }),
      vscode.commands.registerCommand(ghostAcceptedCommand, () => {
        this.clear();
        accepted();
      }),
      vscode.languages.registerInlineCompletionItemProvider(selector, {
        provideInlineCompletionItems: (document) => this.#ghostItems(document),
      }),
      vscode.workspace.onDidChangeTextDocument(({ document, contentChanges }) => {
        if (contentChanges.length > 0 && document === this.#shown?.editor.document) this.clear();
      }),
      vscode.window.onDidChangeActiveTextEditor((editor) => {
        if (this.#shown && editor !== this.#shown.editor) this.clear();
      }),
      vscode.window.onDidChangeActiveColorTheme(() => {
        if (this.#shown) this.#draw(this.#shown);
      }),
      vscode.window.onDidChangeTextEditorSelection(({ textEditor }) => {
        if (textEditor === this.#shown?.editor) this.#followCursor(this.#shown);
      }),
      vscode.window.onDidChangeTextEditorVisibleRanges(({ textEditor }) => {
        if (textEditor === this.#shown?.editor && !this.#ghost) this.#draw(this.#shown);
      }),
    ];
  }

  /** Whether ghost text of a next edit belongs in a document now, so that no other suggestion should be made there. */
  isGhostIn(document: vscode.TextDocument): boolean {
    return this.#ghost !== null && this.#shown?.editor.document === document;
  }

  /** Shows an edit in an editor, whose document must have the version that the edit was made for. */
  show(editor: vscode.TextEditor, edit: NextEdit): void {
    this.clear();
    const { document } = editor;
    if (document.version !== edit.version) return;
    const text = document.getText();
    const range = rangeOf(edit);
    const replaced = { start: document.offsetAt(range.start), end: document.offsetAt(range.end), text: edit.newText };
    const change = minimalEdit(text, replaced);
    this.#shown = { editor, edit, change };
    void vscode.commands.executeCommand('setContext', visibleKey, true);
    this.#draw(this.#shown);
  }

  clear(): void {
    if (!this.#shown) return;
    this.#decorations.clear(this.#shown.editor);
    this.#status.hide();
    this.#shown = null;
    this.#ghost = null;
    void vscode.commands.executeCommand('setContext', visibleKey, false);
  }

  dispose(): void {
    this.clear();
    for (const disposable of this.#disposables) disposable.dispose();
  }

  /** Draws the edit for the place where the cursor is now. Ghost text ends when the cursor leaves its place, as VS Code's own does. */
  #followCursor(shown: Shown): void {
    const wasGhost = this.#ghost !== null;
    this.#draw(shown);
    if (wasGhost && this.#ghost === null) this.clear();
  }

  #draw({ editor, edit, change }: Shown): void {
    const { document, selection } = editor;
    const isInline = vscode.workspace.getConfiguration('editor', document).get('inlineSuggest.enabled', true);
    const before = this.#ghost;
    this.#ghost =
      isInline && selection.isEmpty
        ? ghostTextOf(document.getText(), change, document.offsetAt(selection.active))
        : null;
    const range = rangeIn(document, change);
    const isInSight = editor.visibleRanges.some((visible) => visible.intersection(range) !== undefined);
    const place = `line ${range.start.line + 1}`;
    if (this.#ghost) this.#decorations.clear(editor);
    else {
      const hint = isInSight ? null : `Tab: ${edit.label} (${place})`;
      this.#decorations.draw(editor, { range, newText: change.text, hint });
    }
    // VS Code's own keys apply to ghost text.
    void vscode.commands.executeCommand('setContext', visibleKey, this.#ghost === null);
    if (this.#ghost && JSON.stringify(before) !== JSON.stringify(this.#ghost))
      void vscode.commands.executeCommand('editor.action.inlineSuggest.trigger');
    const key = this.#isAtPlace(this.#shown!) ? 'Press Tab to accept it.' : 'Press Tab to go to it.';
    this.#status.text = `$(arrow-right) ${edit.label}`;
    this.#status.tooltip = `${edit.label}, ${place}. ${key} Press Esc to dismiss it.`;
    // Screen readers announce an alert when it appears or changes.
    this.#status.accessibilityInformation = { label: `Next edit, ${place}: ${edit.label}. ${key}`, role: 'alert' };
    this.#status.show();
  }

  #ghostItems(document: vscode.TextDocument): vscode.InlineCompletionItem[] {
    if (!this.#ghost || document !== this.#shown?.editor.document || document.version !== this.#shown.edit.version)
      return [];
    const item = new vscode.InlineCompletionItem(this.#ghost.text, rangeIn(document, this.#ghost));
    item.command = { title: '', command: ghostAcceptedCommand };
    return [item];
  }

  /** Whether Tab accepts the edit: the cursor is on its lines, or it adds an import, for which nobody leaves their place. */
  #isAtPlace({ editor, edit, change }: Shown): boolean {
    const range = rangeIn(editor.document, change);
    const { line } = editor.selection.active;
    return edit.source === 'import' || (range.start.line <= line && line <= range.end.line);
  }

  /** Goes to the edit, or applies it in one undoable step if the cursor is there. Returns whether it was applied. */
  async #goOrAccept(): Promise<boolean> {
    const shown = this.#shown;
    if (!shown || shown.editor.document.version !== shown.edit.version) {
      this.clear();
      return false;
    }
    const { editor, edit, change } = shown;
    const { document } = editor;
    const range = rangeIn(document, change);
    if (!this.#isAtPlace(shown)) {
      editor.selection = new vscode.Selection(range.start, range.start);
      editor.revealRange(range, vscode.TextEditorRevealType.InCenterIfOutsideViewport);
      return false;
    }
    this.clear();
    // The editor refuses the edit if the document has changed in between.
    const isApplied = await editor.edit((builder) => builder.replace(range, change.text), {
      undoStopBefore: true,
      undoStopAfter: true,
    });
    if (isApplied && edit.source !== 'import') {
      const end = document.positionAt(change.start + change.text.length);
      editor.selection = new vscode.Selection(end, end);
    }
    return isApplied;
  }
}

const rangeOf = ({ range: { start, end } }: NextEdit): vscode.Range =>
  new vscode.Range(start.line, start.character, end.line, end.character);

const rangeIn = (document: vscode.TextDocument, { start, end }: TextEdit): vscode.Range =>
  new vscode.Range(document.positionAt(start), document.positionAt(end));
