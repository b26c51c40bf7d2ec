import type { RuntimeSettings } from './runtime.ts';

/** The defaults of the settings `unmask.model`, `unmask.engine`, `unmask.device`, `unmask.nextEdits` and `unmask.completions.*`. */
export const defaultSettings: RuntimeSettings = {
  model: 'unmask-code',
  engine: 'auto',
  device: 'auto',
  nextEdits: 'onRequest',
  completions: {
    enabled: true,
    languages: {},
    multiline: 'auto',
    inCommentsAndStrings: false,
    debounce: 120,
    alternatives: 3,
    contextTokens: 512,
    contextRefresh: 2,
    threshold: 0.9,
    prefetch: true,
    eagerness: 'balanced',
    copies: true,
  },
};

/** The defaults of the settings `unmask.jobs.*`. */
export const defaultJobSettings = {
  keepCheckpoints: 3,
  lowPriority: true,
  pauseOnBattery: false,
  notifyAtEnd: true,
} as const;

/** The temperature at which the alternatives after the greedy ones are sampled. Not a setting. */
export const alternativesTemperature = 0.8;
