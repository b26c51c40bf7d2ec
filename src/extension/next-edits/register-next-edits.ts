import * as vscode from 'vscode';
import {
  lastNextEdit,
  type NextEdit,
  type NextEditMode,
  type NextEditParameters,
  type NextEditTrace,
  nextEdit,
} from '../../protocol/next-edits.ts';
import { commands, settings } from '../contributions.ts';
import { type Runtime, servedDocuments } from '../runtime.ts';
import { showError } from '../show-error.ts';
import { IdentifierReferences } from './identifier-references.ts';
import { ShownNextEdit } from './shown-next-edit.ts';

/** Milliseconds without a change before a likely next edit is asked for. */
const debounce = 300;
/** Milliseconds that a message in the status bar stays. */
const messageTime = 5_000;

/** Next edits: the command that shows one, the automatic requests, and what accepting one leads to. */
export function registerNextEdits(
  context: vscode.ExtensionContext,
  runtime: Runtime,
  log: vscode.LogOutputChannel,
): void {
  const mode = () => vscode.workspace.getConfiguration().get<NextEditMode>(settings.nextEdits, 'onRequest');
  const isServed = (document: vscode.TextDocument) => vscode.languages.match([...servedDocuments], document) > 0;
  const references = new IdentifierReferences((document) => mode() !== 'off' && isServed(document));
  const shown = new ShownNextEdit([...servedDocuments], () => {
    const editor = vscode.window.activeTextEditor;
    // After one edit was accepted, the next one is wanted; that there is none needs no message.
    if (editor) void request(editor, 'invoked').catch(() => false);
  });
  runtime.holdBackSuggestions((document) => shown.isGhostIn(document));

  /** Shows the next edit, and returns whether there is one. */
  const request = async (editor: vscode.TextEditor, trigger: NextEditParameters['trigger']): Promise<boolean> => {
    const { document } = editor;
    const found = references.of(document);
    const parameters: NextEditParameters = {
      textDocument: { uri: document.uri.toString(), version: document.version },
      trigger,
      ...(found ? { references: found } : {}),
    };
    const edit = await runtime.request<NextEdit | null>(nextEdit, parameters);
    if (edit === null || vscode.window.activeTextEditor !== editor || document.version !== edit.version) return false;
    shown.show(editor, edit);
    return true;
  };

  let timer: NodeJS.Timeout | undefined;
  context.subscriptions.push(
    references,
    shown,
    { dispose: () => clearTimeout(timer) },
    vscode.commands.registerCommand(commands.showNextEdit, async () => {
      const editor = vscode.window.activeTextEditor;
      if (!editor || !isServed(editor.document)) {
        vscode.window.setStatusBarMessage('Open a file first. The next edit is shown in it.', messageTime);
        return;
      }
      try {
        if (await request(editor, 'invoked')) return;
        const trace = await runtime.request<NextEditTrace | null>(lastNextEdit);
        vscode.window.setStatusBarMessage(`No next edit. ${trace?.reason ?? ''}`, messageTime);
      } catch (error) {
        showError(error, log);
      }
    }),
    vscode.workspace.onDidChangeTextDocument(({ document, contentChanges, reason }) => {
      clearTimeout(timer);
      const editor = vscode.window.activeTextEditor;
      // Undoing and redoing are no edits to follow from.
      const isEdit = contentChanges.length > 0 && reason === undefined;
      if (!isEdit || mode() !== 'automatic' || editor?.document !== document || !isServed(document)) return;
      // A user who only types does not expect an error message; the status bar has the reason.
      timer = setTimeout(() => void request(editor, 'automatic').catch(() => false), debounce);
    }),
    vscode.workspace.onDidChangeConfiguration((event) => {
      if (event.affectsConfiguration(settings.nextEdits) && mode() === 'off') shown.clear();
    }),
  );
}
