/** The ids that package.json declares; a test sees that both agree. */
export const commands = {
  explainLastCompletion: 'unmask.explainLastCompletion',
  restartRuntime: 'unmask.restartRuntime',
  selectModel: 'unmask.selectModel',
  showDevices: 'unmask.showDevices',
  showLog: 'unmask.showLog',
  snoozeCompletions: 'unmask.snoozeCompletions',
  toggleCompletions: 'unmask.toggleCompletions',
  toggleLanguage: 'unmask.toggleLanguage',
} as const;

/** A suggestion was accepted: VS Code runs this with the item; nobody else does, so it is not declared. */
export const suggestionAcceptedCommand = 'unmask.suggestionAccepted';

export const settings = {
  node: 'unmask.node',
  model: 'unmask.model',
  engine: 'unmask.engine',
  device: 'unmask.device',
  enabled: 'unmask.completions.enabled',
  languages: 'unmask.completions.languages',
  multiline: 'unmask.completions.multiline',
  inCommentsAndStrings: 'unmask.completions.inCommentsAndStrings',
  debounce: 'unmask.completions.debounce',
  alternatives: 'unmask.completions.alternatives',
  contextTokens: 'unmask.completions.contextTokens',
  threshold: 'unmask.completions.threshold',
  prefetch: 'unmask.completions.prefetch',
} as const;
