/** The ids that package.json declares; a test sees that both agree. */
export const commands = { showDevices: 'unmask.showDevices' } as const;

export const settings = { node: 'unmask.node' } as const;
