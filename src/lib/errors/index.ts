export {ERROR_CODES, ExitCode, type ErrorCode} from './codes.js'
export {OverlayError, toOverlayError, type ErrorJson} from './overlay-error.js'
