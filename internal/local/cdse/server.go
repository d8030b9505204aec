package cdse

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"orbitq/internal/local/scene"
)

// The public paths of the services, and the paths that only this stand-in has.
const (
	TokenPath      = "/auth/realms/CDSE/protocol/openid-connect/token" //nolint:gosec // a path, no credential
	StatisticsPath = "/api/v1/statistics"
	CatalogPath    = "/api/v1/catalog/1.0.0/search"
	HealthPath     = "/healthz"
	FaultsPath     = "/__faults"
	CallsPath      = "/__calls"
)

// Config tells the server who its only client is; every other field has a default.
type Config struct {
	// ClientID and ClientSecret are what the token endpoint accepts, nothing else.
	ClientID     string
	ClientSecret string
	// Clock tells the time for tokens and the call log (time.Now).
	Clock func() time.Time
	// TokenLife is how long an access token is good (10 minutes).
	TokenLife time.Duration
	// ScriptTimeout bounds one evalscript run (5 seconds).
	ScriptTimeout time.Duration
	// Scene is shared with other servers instead of being loaded once more.
	Scene *scene.Scene
	// Logger gets one line per call (none).
	Logger *slog.Logger
}

// Server is the stand-in; it is an http.Handler and safe for concurrent use.
type Server struct {
	cfg      Config
	scene    *scene.Scene // never changes
	programs *scriptCache // compiled scripts
	tokens   *issuer      // signs and checks
	faults   *plan        // what goes wrong next
	atlas    *atlas       // acquisitions that are made up
	calls    *journal     // what was asked so far
	mux      *http.ServeMux
}

// New loads the scene and prepares the services.
func New(cfg Config) (*Server, error) {
	if cfg.ClientID == "" || cfg.ClientSecret == "" {
		return nil, errors.New("configure provider: client id and secret are required")
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.TokenLife <= 0 {
		cfg.TokenLife = 10 * time.Minute
	}
	if cfg.ScriptTimeout <= 0 {
		cfg.ScriptTimeout = 5 * time.Second
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Scene == nil {
		loaded, err := scene.Load()
		if err != nil {
			return nil, fmt.Errorf("load scene: %w", err)
		}
		cfg.Scene = loaded
	}
	tokens, err := newIssuer(cfg.TokenLife)
	if err != nil {
		return nil, err
	}
	s := &Server{
		cfg: cfg, scene: cfg.Scene, programs: newScriptCache(64), tokens: tokens,
		faults: &plan{}, atlas: &atlas{}, calls: newJournal(), mux: http.NewServeMux(),
	}
	// From here on the server is complete; nothing of it changes but tokens, rules, places, scripts and the log.
	s.routes()
	return s, nil
}

// routes binds the paths. The control paths need no token: whoever reaches them owns the server.
func (s *Server) routes() {
	s.mux.Handle(TokenPath, s.serve(endpoint{name: EndpointToken, media: formMedia, handle: s.token}))
	s.mux.Handle(StatisticsPath, s.serve(endpoint{name: EndpointStatistics, media: jsonMedia, secured: true, handle: s.statistics}))
	s.mux.Handle(CatalogPath, s.serve(endpoint{name: EndpointCatalog, media: jsonMedia, secured: true, handle: s.catalog}))
	// What follows has no fault rules and is not in the call log.
	s.mux.HandleFunc(HealthPath, func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]string{"status": "ok", "scene": s.scene.Product(), "attribution": s.scene.Attribution()})
	})
	s.mux.HandleFunc(FaultsPath, s.serveFaults)
	s.mux.HandleFunc(CallsPath, func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, s.Calls()) })
	// Other services of the real host, the Process API first of all, do not exist here.
	s.mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		writeError(w, newError(http.StatusNotFound, codeNotFound, "Not found"), false)
	})
}

// ServeHTTP answers one call.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Scene is the acquisition behind the answers.
func (s *Server) Scene() *scene.Scene { return s.scene }
