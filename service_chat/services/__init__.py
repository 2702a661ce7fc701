"""What a request needs: the patient's summary, the loaded model, and the words it answers with."""
