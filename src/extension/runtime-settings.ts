import * as vscode from 'vscode';
import type { NextEditMode } from '../protocol/next-edits.ts';
import type { CompletionSettings, RuntimeSettings } from '../protocol/runtime.ts';
import { settings } from './contributions.ts';
import type { ChosenModel } from './models/chosen-model.ts';

/** Reads the settings that the runtime depends on; their defaults are in package.json. */
export function readRuntimeSettings(chosen: ChosenModel): RuntimeSettings {
  const configuration = vscode.workspace.getConfiguration();
  const read = <T>(name: string) => configuration.get<T>(name) as T;
  return {
    model: chosen.name,
    engine: read(settings.engine),
    device: read(settings.device),
    nextEdits: read<NextEditMode>(settings.nextEdits),
    completions: {
      enabled: read(settings.enabled),
      languages: read(settings.languages),
      multiline: read<CompletionSettings['multiline']>(settings.multiline),
      inCommentsAndStrings: read(settings.inCommentsAndStrings),
      debounce: read(settings.debounce),
      alternatives: read(settings.alternatives),
      contextTokens: read(settings.contextTokens),
      contextRefresh: read(settings.contextRefresh),
      threshold: read(settings.threshold),
      prefetch: read(settings.prefetch),
      eagerness: read<CompletionSettings['eagerness']>(settings.eagerness),
      copies: read(settings.copies),
    },
    copyFolders: copyFolders(),
  };
}

/** The workspace's folders in which copies are on. */
function copyFolders(): string[] {
  const folders = vscode.workspace.workspaceFolders ?? [];
  const isOn = (uri: vscode.Uri) => vscode.workspace.getConfiguration(undefined, uri).get<boolean>(settings.copies);
  return folders.filter(({ uri }) => isOn(uri)).map(({ uri }) => uri.toString());
}
