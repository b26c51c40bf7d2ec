import * as vscode from 'vscode';
import { UserError } from '../../platform/errors.ts';

/** The local folder that a command is about; the user chooses if there are several. Undefined if the user cancels. */
export async function pickFolder(placeHolder: string): Promise<string | undefined> {
  const folders = (vscode.workspace.workspaceFolders ?? []).filter(({ uri }) => uri.scheme === 'file');
  if (folders.length === 0) throw new UserError('No local folder is open. Open a folder first.');
  if (folders.length === 1) return folders[0]!.uri.fsPath;
  return (await vscode.window.showWorkspaceFolderPick({ placeHolder }))?.uri.fsPath;
}
