package job

// Outcome says why a job ended as it did.
type Outcome string

// The outcomes of a job (domain brief 2.5). All but Success and Partial are not
// billed.
const (
	Success           Outcome = "SUCCEEDED"           // every index has a value
	Partial           Outcome = "PARTIAL"             // some indices have a value
	AlreadyDone       Outcome = "ALREADY_DONE"        // another job had done the same work
	NoLocation        Outcome = "NO_LOCATION"         // the point has no coordinates
	OutOfCoverage     Outcome = "OUT_OF_COVERAGE"     // the satellite never sees the place
	NoAcquisition     Outcome = "NO_ACQUISITION"      // covered place, no image in the window
	PreMission        Outcome = "PRE_MISSION"         // before the first image of the mission
	NotYetAvailable   Outcome = "NOT_YET_AVAILABLE"   // the image is not published yet
	Clouded           Outcome = "CLOUDED"             // images exist, all under cloud
	UserQuotaExceeded Outcome = "USER_QUOTA_EXCEEDED" // the owner's limit is used up
	PointDeleted      Outcome = "POINT_DELETED"       // the point is gone
	Analysed          Outcome = "ANALYSED"            // the quality of the reading was analysed
	Notified          Outcome = "NOTIFIED"            // the owner was told
	NotWanted         Outcome = "NOT_WANTED"          // the owner wants no such message
)

// Billable reports whether the owner pays for the outcome.
func (o Outcome) Billable() bool { return o == Success || o == Partial }

// Analysed reports whether the outcome comes with an analysis row: the two that
// have values.
func (o Outcome) Analysed() bool { return o == Success || o == Partial }
