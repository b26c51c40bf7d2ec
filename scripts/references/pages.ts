import { hyperParametersPage } from './hyper-parameters-page.ts';
import { scalingPage } from './scaling-page.ts';
import { settingsPage } from './settings-page.ts';
import { dependenciesPage } from './shipped-packages.ts';

/** The generated pages of docs, as text by file name. */
export async function references(): Promise<Record<string, string>> {
  return {
    'settings.md': await settingsPage(),
    'hyper-parameters.md': hyperParametersPage(),
    'dependencies.md': await dependenciesPage(),
    'results/scaling.md': await scalingPage(),
  };
}
