/** The edge process's instance as 16 hex digits, and its count of connections: the nonce of the preamble. */
const FLOW_ID = /^[\da-f]{16}-[1-9]\d{0,15}$/

/** The name of a connection at edge and gateway and in logs. @param instance 16 hex digits. @param counter from 1 */
export const flowId = (instance: string, counter: number): string => `${instance}-${counter}`

export const isFlowId = (text: string): boolean => FLOW_ID.test(text)
