import { defaultSettings } from './default-settings.ts';

/** The models that come with Unmask, by what they are for. */
export const bundledModels = {
  /** Completion of code, and the default of the setting `unmask.model`. */
  code: defaultSettings.model,
  /** 4x4 Sudoku and Countdown. */
  puzzles: 'unmask-puzzles',
  /** The task `programs`. */
  programs: 'unmask-programs',
} as const;

/** The bundled model that a task is tuned and evaluated with if the user names none. */
export function bundledModelFor(task: string): string {
  if (task === 'code' || task === 'workspace') return bundledModels.code;
  return task === 'programs' ? bundledModels.programs : bundledModels.puzzles;
}
